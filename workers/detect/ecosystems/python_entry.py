"""Where a Python program starts: as a Procfile says, else by the usual names and scripts."""

from __future__ import annotations

import re
from typing import Any

from workers.detect.ecosystems import imports
from workers.detect.ecosystems.python_deps import normal
from workers.detect.found import Folder, Found

SERVERS = frozenset({"flask", "fastapi", "starlette", "litestar", "quart", "falcon", "bottle"})
SERVED_ENTRIES = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "application.py")
"""Where an application object usually stands, in the package of one that serves."""
NO_ENTRY = re.compile(
    r"(setup|conftest|noxfile|fabfile|tasks|config|settings|conf|test_.*|.*_test)\.py"
)

MOST_TEXT = 20_000
"""Characters of a Procfile or Dockerfile that are looked at: more is none."""
_SERVED = re.compile(
    r"\b(gunicorn|uvicorn|hypercorn|daphne|waitress-serve|granian)\b[^\n]*?\s\"?([\w.]+):(\w+)"
)
_RUN = re.compile(r"(?m)^web:[^\n]*?\bpython[\d.]*\s+(?:-\S+\s+)*([\w./-]+\.py)\b")


def entry(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    """Sets the entry point: what is stated, the usual names, declared scripts, a lone script."""
    stated = _stated(folder) if found.framework != "django" else None
    if stated:
        found.set("entry_point", stated, folder.full("Procfile"), folder.line("Procfile", "web:"))
    name = folder.has(*imports.ENTRIES)
    if name:
        found.set("entry_point", name, folder.full(name))
    scripts = _table(_table(project, "project"), "scripts") or _table(
        _table(_table(project, "tool"), "poetry"), "scripts"
    )
    for command, target in sorted(scripts.items()):
        line = folder.line("pyproject.toml", command)
        found.set("entry_point", str(target), folder.full("pyproject.toml"), line)
    source = _source_dir(folder, str(_table(project, "project").get("name", "")))
    tops = {
        path for path in folder.below if re.fullmatch(r"(?!tests?/|docs/)[^/]+/__init__\.py", path)
    }
    if len(tops) > 1 and source != "src":
        found.facts["packages"] = "several"
    if source:
        found.facts["source_dir"] = source
        served = folder.has(*(f"{source}/{name}" for name in SERVED_ENTRIES))
        if served and found.framework in SERVERS:
            found.set("entry_point", served, folder.full(served))
    alone = [name for name in folder.like("*.py") if not NO_ENTRY.fullmatch(name)]
    if len(alone) == 1:
        found.set("entry_point", alone[0], folder.full(alone[0]))
    if found.framework == "django" and folder.has("manage.py"):
        found.command("start", "python manage.py runserver 0.0.0.0:8000", folder.full("manage.py"))


def served(found: Found, folder: Folder) -> None:
    """The module a server is given: by the Procfile or Dockerfile, else Django's wsgi.py."""
    manage = next(iter(folder.find("manage.py")), None) if found.framework == "django" else None
    if manage:
        found.facts["manage"] = manage
    for name in ("Procfile", "Dockerfile"):
        match = _SERVED.search(_text(folder, name))
        if match:
            kind = "asgi" if match.group(1) in ("uvicorn", "hypercorn", "daphne") else "wsgi"
            found.facts.setdefault(kind, match.group(2))
            found.say(
                f"{kind}={match.group(2)}", folder.full(name), folder.line(name, match.group(2))
            )
    for kind in ("wsgi", "asgi") if found.framework == "django" else ():
        path = next((p for p in folder.find(f"{kind}.py") if p.count("/") <= 2), None)
        if path and kind not in found.facts:
            start = len(manage.rpartition("/")[0]) + 1 if manage and "/" in manage else 0
            found.facts[kind] = path[start:].removesuffix(".py").replace("/", ".")
            found.say(f"{kind}={found.facts[kind]}", folder.full(path))


def _stated(folder: Folder) -> str | None:
    """The file that the Procfile's web process runs or serves, where it is there."""
    text = _text(folder, "Procfile")
    run, given = _RUN.search(text), _SERVED.search(text)
    if run:
        return folder.has(run.group(1).removeprefix("./"))
    module = given.group(2).replace(".", "/") if given else ""
    return folder.has(f"{module}.py", f"{module}/__init__.py") if module else None


def _text(folder: Folder, name: str) -> str:
    text = (folder.text(name, rank=2) or "")[:MOST_TEXT]
    return text.replace('", "', " ").replace('","', " ")


def _source_dir(folder: Folder, name: str) -> str | None:
    module = normal(name).replace("-", "_")
    packages = sorted(
        path.rpartition("/")[0]
        for path in folder.below
        if path.endswith("/__init__.py") and path.count("/") <= 2
    )
    for package in (f"src/{module}", module):
        if package in packages:
            return package
    named = [p for p in packages if p.split("/")[0] not in ("test", "tests", "docs", "examples")]
    if any(package.startswith("src/") for package in named):
        return "src"
    return named[0] if named else None


def _table(table: Any, key: str) -> dict[str, Any]:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, dict) else {}
