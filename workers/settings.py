"""Settings from environment variables and a `.env` file, each checked once at start."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.errors import Misconfigured
from workers.kept import kept_api_token, kept_secret, kept_url
from workers.setting_types import (
    ANY_CASE,
    Key,
    Mirror,
    OllamaUrl,
    OptionalPath,
    OptionalSecret,
    OptionalUrl,
    RedisUrl,
    Registry,
    SecretList,
    SigningTokens,
    Url,
)

MODEL_WINDOW = 8192
"""Tokens of the model's context, for every call: another value makes Ollama load it again."""

AGAIN_LABEL = "devops-backend::again"
"""On a merge request of ours: give the project a pipeline again, also where it was closed."""


class AutoCommit(StrEnum):
    """What a run does with the files it made."""

    MERGE_REQUEST = "merge_request"
    BRANCH = "branch"
    NONE = "none"


class Settings(BaseSettings):
    """Every setting of the program. Names are the environment variables', in lower case.

    Frozen. Secrets never show in `repr`. Build it with `load()`, which raises `Misconfigured`
    with one line naming the variable.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=False,
        hide_input_in_errors=True,
    )

    gitlab_url: Url = "http://localhost:8929"
    gitlab_token: OptionalSecret = None
    gitlab_webhook_secret: SecretList = ()
    gitlab_signing_token: SigningTokens = ()
    devops_backend_url: Url = "http://localhost:8000"
    devops_backend_api_tokens: SecretList = ()
    devops_backend_key: Key = None
    devops_backend_data: Path = Path(".devops-backend")
    api_requests_per_minute: int = Field(6000, ge=1, le=1_000_000)
    redis_url: RedisUrl = None
    chroma_url: OptionalUrl = None
    ollama_host: OllamaUrl = "http://localhost:11434"
    ollama_model: str = "qwen2.5-coder:1.5b"
    ollama_timeout_s: float = Field(60, gt=0, le=3600)
    poll_interval_s: float = Field(30, gt=0, le=3600)
    poll_limit_s: float = Field(900, gt=0, le=86400)
    sweep_interval_s: float = Field(600, ge=10, le=86400)
    commits_per_hour: int = Field(1000, ge=1, le=1_000_000)
    image_registry: Registry = "ai-nexus:5001/apm-repo/demo"
    image_builder: Annotated[
        Literal["auto", "kaniko", "buildkit", "buildah", "docker"], ANY_CASE
    ] = "auto"
    image_mirror: Mirror = None
    sonar_host_url: OptionalUrl = "http://ai-sonarqube:9000"
    splunk_hec_url: OptionalUrl = None
    auto_commit: Annotated[AutoCommit, ANY_CASE] = AutoCommit.MERGE_REQUEST
    templates_dir: OptionalPath = None
    learned_quorum: int = Field(3, ge=1, le=1000)
    log_format: Annotated[Literal["json", "text", "auto"], ANY_CASE] = "auto"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], ANY_CASE] = "info"

    def guessable(self) -> list[str]:
        """Variables that hold a secret or token of less than 16 characters."""
        named = {
            "GITLAB_WEBHOOK_SECRET": self.gitlab_webhook_secret,
            "DEVOPS_BACKEND_API_TOKENS": self.devops_backend_api_tokens,
        }
        return [
            name
            for name, held in named.items()
            if any(len(s.get_secret_value()) < 16 for s in held)
        ]

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the environment and `.env`; keyword arguments win.

        Raises Misconfigured naming the first variable that is wrong.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0]).upper() if first["loc"] else "settings"
            reason = first["msg"].removeprefix("Value error, ")
            raise Misconfigured(f"{name}: {reason}") from None

    @property
    def gitlab_is_local(self) -> bool:
        """Whether GitLab is on this machine: then the receiver's default address can be right."""
        return is_local(urlsplit(self.gitlab_url).hostname)

    @property
    def receivers_url_known(self) -> bool:
        """Whether the receiver's address was told, and is not the default."""
        return "devops_backend_url" in self.model_fields_set

    def with_receivers_url(self, *, required: bool = False) -> Settings:
        """These settings with the receiver's address that is set, else kept in the data folder.

        A shell that does not know it must not lead webhooks to the default, so where it is neither
        set nor kept `required` raises Misconfigured.
        """
        if self.receivers_url_known:
            return self
        if (url := kept_url(self.devops_backend_data)) is not None:
            return self.model_copy(update={"devops_backend_url": url})
        if required:
            raise Misconfigured(
                "DEVOPS_BACKEND_URL: should be the address that GitLab reaches the receiver at; set"
                " it, or run this where `up` or `serve` has run (it is kept in"
                f" {self.devops_backend_data})"
            )
        return self

    def with_webhook_secret(self, *, make: bool = True) -> Settings:
        """These settings with the webhook secret that is set, else kept, else made and kept.

        Kept is it in `devops_backend_data` (mode 0600). `make=False` makes none.
        """
        path = self.devops_backend_data / "webhook-secret"
        if self.gitlab_webhook_secret or not (make or path.exists()):
            return self
        secret, _ = kept_secret(path)
        return self.model_copy(update={"gitlab_webhook_secret": (SecretStr(secret),)})

    def with_key(self, *, make: bool = True) -> Settings:
        """These settings with the key that is set, else kept, else made and kept.

        `make=False` makes none: what another has sealed could not be read with it.
        """
        path = self.devops_backend_data / "key"
        if self.devops_backend_key is not None or not (make or path.exists()):
            return self
        key, _ = kept_secret(path)
        return self.model_copy(update={"devops_backend_key": SecretStr(key)})

    def with_secrets(self) -> tuple[Settings, list[str]]:
        """These settings with webhook secret, key and API token, made and kept where none is set.

        The second value holds API tokens made just now, to be printed once.
        """
        settings = self.with_webhook_secret().with_key()
        if settings.devops_backend_api_tokens:
            return settings, []
        token, new = kept_api_token(self.devops_backend_data / "api-token")
        update = {"devops_backend_api_tokens": (SecretStr(token),)}
        return settings.model_copy(update=update), [new] if new else []


def is_local(host: str | None) -> bool:
    """Whether a host's name or address means the machine that asks."""
    return host in ("localhost", "127.0.0.1", "::1")
