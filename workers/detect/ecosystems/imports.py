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

MOST = 2
"""Files read for their imports."""

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


def ruby(folder: Folder, entries: Iterable[str]) -> dict[str, str]:
    """Gems that the first entries require, each to the file that does."""
    found: dict[str, str] = {}
    for name in list(dict.fromkeys(entries))[:MOST]:
        for gem in _RUBY.findall(folder.text(name, rank=1) or ""):
            found.setdefault(gem.partition("/")[0], folder.full(name))
    return found
