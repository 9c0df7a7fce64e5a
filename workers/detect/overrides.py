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

import re
from difflib import get_close_matches
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from workers.detect.analysis import Analysis, Evidence, Service
from workers.detect.found import Found
from workers.detect.parse import line_of
from workers.detect.read import Reader
from workers.detect.tree import Tree

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


_NUMBER = re.compile(
    r"""(?m)(?:^|[{,])\s*["']?version["']?\s*:\s*([0-9][0-9A-Za-z.+-]{0,30})(?=[\s,}#]|$)"""
)
_SHOWN = re.compile(r"[A-Za-z0-9_./@+-]{1,60}")


def stated(reader: Reader) -> dict[str, Any]:
    """The file's statements; empty, with the fault noted, where the schema does not hold.

    A `path` that is no folder of the repository is left out, with that noted.
    """
    data = reader.yaml(FILE, rank=0)
    fault = _fault(data)
    if fault is not None:
        reader.broken[FILE] = fault
        return {}
    folder = str(data.get("path", "")).strip("./")
    if folder and _absent(reader.tree, folder):
        name = f"the path `{folder}`" if _SHOWN.fullmatch(folder) else "a path"
        reader.broken[FILE] = f"names {name}, but there is no such folder"
        data = {key: value for key, value in data.items() if key != "path"}
    if isinstance(data.get("version"), int | float):
        # YAML reads 3.10 as the number 3.1; a version is a text, and means what was written
        written = _NUMBER.search(reader.text(FILE) or "")
        data = {**data, "version": written.group(1) if written else str(data["version"])}
    return data


def _fault(data: dict[str, Any]) -> str | None:
    """What the schema finds first, an unknown key before all else; None where it holds."""
    known = SCHEMA["properties"]
    odd = next((str(key) for key in data if key not in known), None)
    if odd is not None:
        near = get_close_matches(odd.lower(), known, n=1)
        meant = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
        name = f"unknown key `{odd}`" if _SHOWN.fullmatch(odd) else "unknown key"
        return f"is not used: {name}; {meant}"
    error = next(iter(Draft202012Validator(SCHEMA).iter_errors(data)), None)
    if error is None:
        return None
    where = ".".join(str(part) for part in error.absolute_path) or "the file"
    return f"is not used: it breaks its schema at {where[:60]}"


def _absent(tree: Tree, path: str) -> bool:
    """Whether there is surely no such folder: its parent's children are known, it is not there."""
    parent = ""
    for part in path.split("/"):
        folder = f"{parent}/{part}" if parent else part
        if folder not in tree.all_folders:
            return tree.complete or parent in tree.listed
        parent = folder
    return False


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
    found = _with_fault(reader, found)
    if not data:
        return found
    text = reader.text(FILE)
    changes: dict[str, Any] = {
        key: value for key, value in data.items() if key not in ("services", "path")
    }
    if "services" in data:
        changes["services"] = tuple(_service(item) for item in data["services"])
    for key in ("build", "test"):
        command = data.get(f"{key}_command")
        if command:
            others = [known for known in found.commands.get(key, ()) if known != command]
            commands = changes.get("commands", found.commands)
            changes["commands"] = {**commands, key: (command, *others)}
    if data.get("test_command"):
        changes["has_tests"] = True
    told = " ".join(key for key in data if key in ("test_command", "build_command", "services"))
    if told:
        changes["facts"] = {**found.facts, "stated": told}
    if "language" in data or "path" in data:
        faults = found.questions[:1] if FILE in reader.broken else ()
        changes.update(confidence=0.99, questions=faults, nothing_to_build=None)
    evidence = [Evidence(f"{key}={data[key]}", FILE, line_of(text, f"{key}:")) for key in data]
    changes["evidence"] = (*evidence, *found.evidence)
    return msgspec.structs.replace(found, **changes)


def _with_fault(reader: Reader, found: Analysis) -> Analysis:
    """`found` with what is wrong in the file as its first question, and as a fact for the plan."""
    if FILE not in reader.broken:
        return found
    said = f"`{FILE}` {reader.broken[FILE]}"
    question = said if said.endswith("?") else f"{said}. What should it say?"
    return msgspec.structs.replace(
        found,
        questions=(question, *found.questions),
        facts={**found.facts, "stated_fault": said[:200]},
    )


def _service(text: str) -> Service:
    name, _, version = text.partition(":")
    return Service(name, version or None)
