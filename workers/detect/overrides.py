"""`.devops-backend.yml`: what a repository states of itself, checked by schema. It wins.

language: python          # as in the analysis: lower case
framework: fastapi
package_manager: uv
version: "3.12"
test_tool: pytest
entry_point: src/main.py
build_command: uv build
test_command: uv run pytest
port: 8000
services: [postgres, "redis:7"]
path: backend             # the folder of the program, where there are several
"""

from __future__ import annotations

from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from workers.detect.analysis import Analysis, Evidence, Service
from workers.detect.found import Found
from workers.detect.parse import line_of
from workers.detect.read import Reader

FILE = ".devops-backend.yml"
_WORD = {"type": "string", "pattern": r"^[a-z0-9][a-z0-9.+_-]{0,40}$"}
_COMMAND = {"type": "string", "pattern": r"^[^\s\x00-\x1f][^\x00-\x1f]{0,299}$"}
_PATH = {
    "type": "string",
    "pattern": r"^(?!/)(?!.*(?:^|/)\.\.(?:/|$))[^\x00-\x1f\\]{1,200}$",
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "language": _WORD,
        "ecosystem": _WORD,
        "framework": _WORD,
        "package_manager": _WORD,
        "test_tool": _WORD,
        "version": {"type": ["string", "number"], "pattern": r"^[0-9][0-9A-Za-z.+-]{0,30}$"},
        "entry_point": _PATH,
        "build_command": _COMMAND,
        "test_command": _COMMAND,
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "services": {
            "type": "array",
            "maxItems": 20,
            "items": {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,30}(:[\w.-]{1,30})?$"},
        },
        "path": _PATH,
    },
}


def stated(reader: Reader) -> dict[str, Any]:
    """The file's statements; empty, with the fault noted, where the schema does not hold."""
    data = reader.yaml(FILE, rank=0)
    error = next(iter(Draft202012Validator(SCHEMA).iter_errors(data)), None)
    if error is None:
        return data
    where = ".".join(str(part) for part in error.absolute_path) or "the file"
    reader.broken[FILE] = f"breaks its schema at {where[:60]}"
    return {}


def wanted(reader: Reader, found: list[Found]) -> list[Found]:
    """Only what fits the stated language or ecosystem, where anything does."""
    data = stated(reader)
    fitting = [
        one
        for one in found
        if data.get("language") == one.language or data.get("ecosystem") == one.ecosystem
    ]
    return fitting or found


def apply(reader: Reader, found: Analysis) -> Analysis:
    """The analysis with the repository's own statements in the place of what was detected."""
    data = stated(reader)
    if not data:
        return found
    text = reader.text(FILE)
    changes: dict[str, Any] = {
        key: value for key, value in data.items() if key not in ("services", "path", "version")
    }
    if "version" in data:
        changes["version"] = str(data["version"])
    if "services" in data:
        changes["services"] = tuple(_service(item) for item in data["services"])
    for key in ("build", "test"):
        command = data.get(f"{key}_command")
        if command:
            others = [known for known in found.commands.get(key, ()) if known != command]
            commands = changes.get("commands", found.commands)
            changes["commands"] = {**commands, key: (command, *others)}
    if "language" in data or "path" in data:
        changes.update(confidence=0.99, questions=(), nothing_to_build=None)
    evidence = [Evidence(f"{key}={data[key]}", FILE, line_of(text, f"{key}:")) for key in data]
    changes["evidence"] = (*evidence, *found.evidence)
    return msgspec.structs.replace(found, **changes)


def _service(text: str) -> Service:
    name, _, version = text.partition(":")
    return Service(name, version or None)
