"""What a program's entry imports: the last word where no manifest declares a framework."""

from __future__ import annotations

import re
from collections.abc import Iterable

from workers.detect.ecosystems.python_deps import normal
from workers.detect.found import Folder

ENTRIES = (
    "manage.py",
    "main.py",
    "app.py",
    "server.py",
    "wsgi.py",
    "asgi.py",
    "run.py",
    "__main__.py",
    "src/main.py",
    "app/main.py",
    "application.py",
    "bot.py",
    "streamlit_app.py",
    "app/__init__.py",
    "src/app.py",
    "api/main.py",
    "app/server.py",
    "api/index.py",
    "index.py",
)
"""Where a Python program usually starts."""

FROZEN = 3
"""So many names of packages within packages make a list of requirements a frozen one."""

MOST = 2
"""Files read for their imports."""

BROUGHT = frozenset(("fastapi", "starlette", "flask", "tornado"))
"""Frameworks that other packages bring along: a frozen list names them though nothing uses them."""

_INNER = re.compile(r"(?mi)^(certifi|idna|sniffio|h11|six|zipp|typing[_-]extensions|markupsafe)==")
"""What people do not declare by themselves, and `pip freeze` lists."""

_TEXT = re.compile(r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'')
_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import[ \t]+\(?([\w, \t]*)"
    r"|import[ \t]+([A-Za-z_][\w.]*))",
    re.M,
)
_RUBY = re.compile(r"^[ \t]*require[ \t]+['\"]([\w-]+)", re.M)


def python(folder: Folder, entries: Iterable[str]) -> dict[str, str]:
    """Names that stand for what the first entries import, each to the file that does.

    `from azure import functions` gives `azure`, `azure-functions` (as PyPI may name it) and
    `import:azure.functions` (as the language does).
    """
    found: dict[str, str] = {}
    for name in list(dict.fromkeys(entries))[:MOST]:
        text = _TEXT.sub("", folder.text(name, rank=1) or "")
        for module, inner, plain in _PYTHON.findall(text):
            parts = [module, *(f"{module}.{word}" for word in re.findall(r"\w+", inner))]
            for dotted in parts if module else [plain]:
                whole = [dotted.partition(".")[0], dotted]
                for part in whole:
                    found.setdefault(normal(part), folder.full(name))
                    found.setdefault(f"import:{part}", folder.full(name))
    return found


def seen(folder: Folder, run: dict[str, str]) -> dict[str, str]:
    """`run` without frameworks that a program of one or two files does not import.

    Only where one frozen list of requirements declares everything.
    """
    scripts = folder.like("*.py")
    deeper = any("/" in path and path.endswith(".py") for path in folder.below)
    if not BROUGHT & run.keys() or folder.unsure or deeper or not 0 < len(scripts) <= MOST:
        return run
    text = folder.text("requirements.txt", rank=0) or ""
    if {file.rpartition("/")[2] for file in run.values()} != {"requirements.txt"}:
        return run
    if len(_INNER.findall(text)) < FROZEN:
        return run
    imported = python(folder, scripts)
    if not imported:
        return run
    return {name: file for name, file in run.items() if name not in BROUGHT or name in imported}


def ruby(folder: Folder, entries: Iterable[str]) -> dict[str, str]:
    """Gems that the first entries require, each to the file that does."""
    found: dict[str, str] = {}
    for name in list(dict.fromkeys(entries))[:MOST]:
        for gem in _RUBY.findall(folder.text(name, rank=1) or ""):
            found.setdefault(gem.partition("/")[0], folder.full(name))
    return found
