"""Declared dependencies of a Python project, from every place that may hold them."""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from workers.detect.found import Folder

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_DEV = re.compile(
    r"(^|[-_./])(dev|develop|development|test|tests|testing|lint|docs?|ci|check)(?![a-z0-9])"
)


class Declared(msgspec.Struct):
    """Normalised names to the file (relative to the folder) that declares them."""

    name: str = ""
    run: dict[str, str] = msgspec.field(default_factory=dict)
    dev: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def all(self) -> dict[str, str]:
        return {**self.dev, **self.run}

    def add(self, names: Iterable[str | None], file: str, *, dev: bool = False) -> None:
        table = self.dev if dev else self.run
        for name in names:
            if name:
                table.setdefault(name, file)


def normal(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(folder: Folder, project: dict[str, Any], requirements: list[str]) -> Declared:
    """All dependencies that the folder's manifests declare."""
    found = Declared()
    _pyproject(found, project)
    _pipfile(found, folder)
    _setup_cfg(found, folder)
    _setup_py(found, folder)
    _conda(found, folder)
    _pixi(found, folder, project)
    for name in sorted(requirements, key=lambda n: (bool(_DEV.search(n)), n.count("/"), len(n), n))[
        :4
    ]:
        text = folder.text(name, rank=0 if name == "requirements.txt" else 2)
        found.add(_requirements(text or ""), name, dev=bool(_DEV.search(name)))
        for other in _included(folder, name, text or ""):
            found.add(_requirements(folder.text(other) or ""), other, dev=bool(_DEV.search(name)))
    return found


def _included(folder: Folder, name: str, text: str) -> list[str]:
    """Files of requirements below the folder that another names by `-r` (two at most)."""
    named = re.findall(r"(?m)^[ \t]*(?:-r|--requirement)[ =][ \t]*(\S+)", text)
    paths = [posixpath.normpath(posixpath.join(posixpath.dirname(name), one)) for one in named]
    return [path for path in paths if folder.reader.tree.may_hold(folder.full(path))][:2]


def requirement(text: Any) -> str | None:
    """The normalised name in a requirement (PEP 508); None for options and addresses."""
    match = _NAME.match(text) if isinstance(text, str) else None
    return normal(match.group(1)) if match else None


def with_extras(text: Any) -> Iterator[str | None]:
    """The name in a requirement, and each of its extras as `name[extra]`."""
    name = requirement(text)
    yield name
    extras = re.match(r"\s*[\w.-]+\s*\[([\w\s,.-]+)\]", text) if isinstance(text, str) else None
    for extra in extras.group(1).split(",") if extras else ():
        yield f"{name}[{normal(extra.strip())}]"


def _requirements(text: str) -> Iterator[str | None]:
    for line in text.splitlines():
        line = line.strip()
        egg = re.search(r"#egg=([\w.-]+)", line)
        if egg:
            yield normal(egg.group(1))
        elif line and line[0] not in "#-" and "://" not in line.partition("@")[0]:
            yield from with_extras(line)


def _pyproject(found: Declared, data: dict[str, Any]) -> None:
    file = "pyproject.toml"
    project, tool = _table(data, "project"), _table(data, "tool")
    found.name = str(project.get("name") or _table(tool, "poetry").get("name") or "")
    for item in _list(project.get("dependencies")):
        found.add(with_extras(item), file)
    for group in _table(project, "optional-dependencies").values():
        found.add(map(requirement, _list(group)), file, dev=True)
    for group in _table(data, "dependency-groups").values():
        found.add(map(requirement, _list(group)), file, dev=True)
    poetry = _table(tool, "poetry")
    found.add(map(requirement, _table(poetry, "dependencies")), file)
    found.add(map(requirement, _table(poetry, "dev-dependencies")), file, dev=True)
    for group in _table(poetry, "group").values():
        found.add(map(requirement, _table(group, "dependencies")), file, dev=True)
    for group in _table(_table(tool, "pdm"), "dev-dependencies").values():
        found.add(map(requirement, _list(group)), file, dev=True)
    found.add(map(requirement, _list(_table(tool, "uv").get("dev-dependencies"))), file, dev=True)
    for env in _table(_table(tool, "hatch"), "envs").values():
        for key in ("dependencies", "extra-dependencies"):
            found.add(map(requirement, _list(_table({"env": env}, "env").get(key))), file, dev=True)
    flit = _table(_table(tool, "flit"), "metadata")
    found.add(map(requirement, _list(flit.get("requires"))), file)


def _pipfile(found: Declared, folder: Folder) -> None:
    data = folder.toml("Pipfile", rank=0)
    found.add(map(requirement, _table(data, "packages")), "Pipfile")
    found.add(map(requirement, _table(data, "dev-packages")), "Pipfile", dev=True)


def _setup_cfg(found: Declared, folder: Folder) -> None:
    text = folder.text("setup.cfg")
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text or "")
    except configparser.Error as error:
        folder.reader.broken[folder.full("setup.cfg")] = f"is not valid: {error.message[:120]}"
        return
    found.name = found.name or parser.get("metadata", "name", fallback="") or ""
    lines = parser.get("options", "install_requires", fallback="") or ""
    found.add(map(requirement, lines.splitlines()), "setup.cfg")
    if parser.has_section("options.extras_require"):
        for _, value in parser.items("options.extras_require"):
            found.add(map(requirement, (value or "").splitlines()), "setup.cfg", dev=True)


def _setup_py(found: Declared, folder: Folder) -> None:
    """Literal lists in the call of `setup()`; the file is parsed, never run."""
    text = folder.text("setup.py", rank=0 if not folder.has("pyproject.toml") else 2)
    try:
        tree = ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        folder.reader.broken[folder.full("setup.py")] = f"is no valid Python: {error}"[:200]
        return
    names = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _called(call) == "setup":
            for keyword in call.keywords:
                _setup_keyword(found, keyword, names)


def _setup_keyword(found: Declared, keyword: ast.keyword, names: dict[str, ast.expr]) -> None:
    strings = _strings(keyword.value, names)
    if keyword.arg == "name":
        found.name = found.name or next(strings, "")
    if keyword.arg in ("install_requires", "tests_require", "extras_require"):
        dev = keyword.arg != "install_requires"
        found.add(map(requirement, strings), "setup.py", dev=dev)


def _strings(value: ast.expr, names: dict[str, ast.expr], depth: int = 4) -> Iterator[str]:
    """Strings in an expression and in the lists of the module that it names."""
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in names and depth:
            yield from _strings(names[node.id], names, depth - 1)


def _called(call: ast.Call) -> str:
    name = call.func
    return name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")


def _conda(found: Declared, folder: Folder) -> None:
    name = folder.has("environment.yml", "environment.yaml")
    for item in _list(folder.yaml(name).get("dependencies")) if name else ():
        nested = _list(item.get("pip")) if isinstance(item, dict) else [item]
        found.add(map(requirement, nested), name or "")


def _pixi(found: Declared, folder: Folder, project: dict[str, Any]) -> None:
    for file, data in (
        ("pixi.toml", folder.toml("pixi.toml", rank=0)),
        ("pyproject.toml", _table(_table(project, "tool"), "pixi")),
    ):
        for key in ("dependencies", "pypi-dependencies"):
            found.add(map(requirement, _table(data, key)), file)
            for feature in _table(data, "feature").values():
                found.add(map(requirement, _table(feature, key)), file, dev=True)


def _table(table: Any, key: str) -> dict[str, Any]:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
