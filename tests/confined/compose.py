"""`compose.yaml` read as orders: who runs what, as whom, and what of the machine it may touch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec
import yaml

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}")
IGNORED = ("image", "build", "restart", "networks", "ports")
"""How an image comes about and what leads to a container from outside; none of it confines."""


class Health(msgspec.Struct, frozen=True):
    """When a container counts as healthy: `test` as Compose writes it, `CMD` first."""

    test: list[str]
    interval: str
    timeout: str
    retries: int
    start_period: str = "0s"


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service. A key that is not known here is an error: it would go untested."""

    command: list[str]
    user: str
    healthcheck: Health
    read_only: bool = False
    tmpfs: list[str] = []
    cap_drop: list[str] = []
    security_opt: list[str] = []
    volumes: list[str] = []
    environment: dict[str, str] = {}
    depends_on: dict[str, dict[str, str]] = {}
    stop_grace_period: str = "10s"

    @property
    def grace_s(self) -> int:
        """Seconds from SIGTERM to SIGKILL."""
        return int(self.stop_grace_period.removesuffix("s"))


def load(path: Path, names: set[str], variables: Mapping[str, str]) -> dict[str, Service]:
    """The services of `names`, each after those it waits for; `variables` stand for `.env`."""
    found = yaml.safe_load(path.read_text())["services"]
    services = {name: _service(found[name], variables) for name in names}
    order = TopologicalSorter({name: s.depends_on for name, s in services.items()})
    return {name: services[name] for name in order.static_order()}


def _service(stated: Mapping[str, Any], variables: Mapping[str, str]) -> Service:
    kept = {key: value for key, value in stated.items() if key not in IGNORED}
    return msgspec.convert(_filled(kept, variables), Service, strict=False)


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """Every `${NAME:-default}` of a text, wherever it stands, replaced."""
    match value:
        case str():
            return VARIABLE.sub(lambda m: variables.get(m["name"]) or m["default"] or "", value)
        case list():
            return [_filled(item, variables) for item in value]
        case dict():
            return {key: _filled(item, variables) for key, item in value.items()}
    return value
