"""What the value of a setting may be. A message goes on after the variable's name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

REGISTRY = re.compile(
    r"(?:\$CI_REGISTRY_IMAGE|[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?)(?:/[a-z0-9._-]+)*/?"
)
SHORTEST_KEY = 32
"""Characters."""


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _http_url(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    try:
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok = False
    beside = parts.username or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok or beside:
        raise ValueError("should be an http:// or https:// address without user, query or fragment")
    return value.rstrip("/")


def _as_ollama_has_it(value: Any) -> Any:
    """Ollama itself reads this variable, and takes `host:port` as well."""
    return f"http://{value}" if isinstance(value, str) and "://" not in value else value


def _redis_url(value: str | None) -> str | None:
    if value is not None and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("should be a redis://, rediss:// or unix:// address")
    return value


def _registry(value: str) -> str:
    if not REGISTRY.fullmatch(value):
        raise ValueError("should be host[:port]/path, or $CI_REGISTRY_IMAGE for GitLab's own")
    return value.rstrip("/")


def _mirror(value: str | None) -> str | None:
    if value is not None and (not REGISTRY.fullmatch(value) or "$" in value):
        raise ValueError("should be host[:port]/path of a mirror of Docker Hub")
    return value.rstrip("/") if value else None


def _long(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"should have at least {SHORTEST_KEY} characters")
    return value


def _whsec(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(not secret.get_secret_value().startswith("whsec_") for secret in value):
        raise ValueError("each should start with whsec_, as GitLab shows it")
    return value


_OR_NONE = BeforeValidator(lambda value: None if value == "" else value)
"""A variable that is set to nothing is not set."""
ANY_CASE = BeforeValidator(_lower)
Url = Annotated[str, AfterValidator(_http_url)]
OptionalUrl = Annotated[str | None, _OR_NONE, AfterValidator(_http_url)]
OllamaUrl = Annotated[str, BeforeValidator(_as_ollama_has_it), AfterValidator(_http_url)]
RedisUrl = Annotated[str | None, _OR_NONE, AfterValidator(_redis_url)]
Registry = Annotated[str, AfterValidator(_registry)]
Mirror = Annotated[str | None, _OR_NONE, AfterValidator(_mirror)]
OptionalPath = Annotated[Path | None, _OR_NONE]
OptionalSecret = Annotated[SecretStr | None, _OR_NONE]
Key = Annotated[SecretStr | None, _OR_NONE, AfterValidator(_long)]
SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
"""Comma-separated."""
SigningTokens = Annotated[SecretList, AfterValidator(_whsec)]
