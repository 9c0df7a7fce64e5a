"""Servers that the tests need: compose files, pipelines of others, database settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from workers.detect import ci
from workers.detect.analysis import Evidence, Service
from workers.detect.found import Folder, Found
from workers.detect.parse import line_of
from workers.detect.rules import table

COMPOSE = (
    "docker-compose.test.yml",
    "compose.test.yaml",
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-compose.dev.yml",
    ".devcontainer/docker-compose.yml",
)
SETTINGS = ("config/database.yml", ".env.test", ".env.testing", ".env.ci", "phpunit.xml.dist")
_IMAGE = re.compile(r"^(?:[\w.-]+(?::\d+)?/)*([\w.-]+)(?::([\w.-]+))?(?:@\S+)?$")
_ADDRESS = re.compile(r"\b(postgres(?:ql)?|mysql2?|mariadb|rediss?|mongodb(?:\+srv)?|amqps?)://")
_ADAPTER = re.compile(r"""(?:adapter:|DB_CONNECTION["']?\s*(?:=|value=)"?)\s*["']?([a-z0-9_]+)""")


def find(root: Folder, best: Found | None) -> tuple[tuple[Service, ...], list[Evidence]]:
    """Each server once, with the version first named, and the evidence."""
    found: dict[str, Service] = {}
    evidence: list[Evidence] = []
    for name, version, file, line in _all(root, best):
        known = found.get(name)
        if known is None or (known.version is None and version):
            found[name] = Service(name, version)
        if known is None:
            evidence.append(Evidence(f"service={name}", file, line))
    return tuple(found[name] for name in sorted(found)), evidence


def _all(root: Folder, best: Found | None) -> Iterator[tuple[str, str | None, str, int]]:
    here = Folder(root.reader, best.folder) if best and best.folder else root
    for folder in dict.fromkeys((here.path, "")):
        place = Folder(root.reader, folder)
        file = place.has(*COMPOSE)
        if file:
            text = place.text(file, rank=2)
            built = "" if folder else here.path
            for image in _compose_images(place.yaml(file, rank=2), built):
                yield from _from_image(image, place.full(file), text)
    for file in [name for name in ci.files(root) if name != ".gitlab-ci.yml"][:2]:
        text = root.text(file, rank=3)
        data = root.yaml(file, rank=3) if file != "Jenkinsfile" else {}
        for image in _pipeline_images(data):
            yield from _from_image(image, file, text)
    for file in [name for name in SETTINGS if here.has(name)][:2]:
        text = here.text(file, rank=3) or ""
        for match in (*_ADDRESS.finditer(text), *_ADAPTER.finditer(text)):
            name = _adapter(match.group(1))
            if name:
                line = text.count("\n", 0, match.start()) + 1
                yield name, None, here.full(file), line


def published_port(folder: Folder) -> tuple[int, str, int] | None:
    """The container's port that a compose file publishes for what is built here."""
    file = folder.has(*COMPOSE)
    data = folder.yaml(file, rank=2).get("services") if file else None
    for service in (data if isinstance(data, dict) else {}).values():
        ports = service.get("ports") if isinstance(service, dict) and "build" in service else None
        first = ports[0] if isinstance(ports, list) and ports else None
        target = first.get("target") if isinstance(first, dict) else first
        match = re.search(r"(\d{2,5})(?:/tcp)?$", str(target))
        if match and file and 0 < int(match.group(1)) < 65536:
            return int(match.group(1)), folder.full(file), folder.line(file, str(target))
    return None


def built(folder: Folder) -> list[str]:
    """Folders below this one that its compose file builds containers of, in the file's order."""
    file = folder.has(*COMPOSE)
    named = folder.yaml(file, rank=2).get("services") if file else None
    parts = named.values() if isinstance(named, dict) else ()
    paths = [_context(part) for part in parts if isinstance(part, dict)]
    return [path for path in dict.fromkeys(paths) if path in folder.reader.tree.folders]


def _context(service: dict[str, Any]) -> str:
    """The folder that a service of a compose file is built from; empty for none and the root."""
    build = service.get("build")
    context = build.get("context") if isinstance(build, dict) else build
    return str(context or "").removeprefix("./").strip("/")


def _compose_images(data: dict[str, Any], built: str) -> Iterator[str]:
    """Images of a compose file; where it builds the folder `built`, those that this waits for."""
    named = data.get("services")
    services = {
        n: s for n, s in (named if isinstance(named, dict) else {}).items() if isinstance(s, dict)
    }
    wanted = _waited_for(services, built) if built else None
    for name, service in services.items():
        image = service.get("image")
        if isinstance(image, str) and (wanted is None or name in wanted):
            yield image


def _waited_for(services: dict[str, dict[str, Any]], built: str) -> set[str] | None:
    """What a service built from a folder waits for, all the way; None where it does not say."""

    left = [name for name, service in services.items() if _context(service) == built]
    if not any(services[name].get("depends_on") for name in left):
        return None
    seen: set[str] = set()
    while left:
        name = left.pop()
        if name in services and name not in seen:
            seen.add(name)
            needed = services[name].get("depends_on")
            left += (
                [n for n in needed if isinstance(n, str)] if isinstance(needed, list | dict) else []
            )
    return seen


def _pipeline_images(value: Any, inside: bool = False, depth: int = 10) -> Iterator[str]:
    """Images below a `services` or `docker` key of GitHub, Travis, CircleCI, Bitbucket, Drone."""
    if depth == 0:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            now = inside or key in ("services", "docker")
            if now and key == "image" and isinstance(inner, str):
                yield inner
            elif key in ("services", "docker") and isinstance(inner, list):
                yield from (item for item in inner if isinstance(item, str))
                yield from _pipeline_images(inner, now, depth - 1)
            else:
                yield from _pipeline_images(inner, now, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _pipeline_images(inner, inside, depth - 1)


def _from_image(
    image: str, file: str, text: str | None
) -> Iterator[tuple[str, str | None, str, int]]:
    # a variable's default is what is meant: ${PG:-16}
    plain = re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", image)
    match = _IMAGE.match(plain)
    name = _service(match.group(1)) if match else None
    if match and name:
        number = re.match(r"v?(\d+(?:\.\d+)*)", match.group(2) or "")
        yield name, number.group(1) if number else None, file, line_of(text, image)


def _service(image: str) -> str | None:
    image = image.lower()
    rules: dict[str, list[str]] = table("services")["images"]
    return next(
        (name for name, patterns in rules.items() if any(fnmatchcase(image, p) for p in patterns)),
        None,
    )


def _adapter(word: str) -> str | None:
    rules: dict[str, list[str]] = table("services")["adapters"]
    return next((name for name, words in rules.items() if word.lower() in words), None)
