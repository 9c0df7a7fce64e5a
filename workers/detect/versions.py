"""Toolchain versions: which file pins, in which order, and what a range comes down to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workers.detect.found import Folder, Found

# Names of a tool in `.tool-versions` (asdf) and mise.toml.
TOOLS: dict[str, tuple[str, ...]] = {
    "node": ("nodejs", "node"),
    "bun": ("bun",),
    "deno": ("deno",),
    "python": ("python",),
    "go": ("golang", "go"),
    "java": ("java",),
    "ruby": ("ruby",),
    "php": ("php",),
    "rust": ("rust",),
    "dotnet": ("dotnet-core", "dotnet"),
    "elixir": ("elixir",),
    "erlang": ("erlang",),
    "dart": ("dart",),
    "flutter": ("flutter",),
    "swift": ("swift",),
    "zig": ("zig",),
    "crystal": ("crystal",),
    "gleam": ("gleam",),
    "haskell": ("ghc", "haskell"),
    "julia": ("julia",),
    "perl": ("perl",),
    "r": ("R", "r"),
    "terraform": ("terraform", "opentofu"),
    "hugo": ("hugo", "gohugo"),
    "scala": ("scala",),
    "clojure": ("clojure",),
}

# Files of one line that hold a version and nothing else.
PIN_FILES: dict[str, tuple[str, ...]] = {
    "node": (".nvmrc", ".node-version"),
    "bun": (".bun-version",),
    "deno": (".dvmrc", ".deno-version"),
    "python": (".python-version", "runtime.txt"),
    "go": (".go-version",),
    "java": (".java-version", ".sdkmanrc", "system.properties"),
    "ruby": (".ruby-version",),
    "php": (".php-version",),
    "terraform": (".terraform-version", ".opentofu-version"),
    "swift": (".swift-version",),
    "crystal": (".crystal-version",),
    "elixir": (".elixir-version",),
    "zig": (".zigversion",),
    "perl": (".perl-version",),
    "julia": (".julia-version",),
}

_TERM = re.compile(r"(>=|<=|~>|={2,3}|[<>^~!]=?|=)?\s*v?(\d+(?:\.(?:\d+|[xX*]))*)")


# Other implementations count their own releases, not the language's (PyPy's names hold both).
OTHERS = re.compile(
    r"(jruby|truffleruby|rbx|mruby|(mini|ana)conda|miniforge|mambaforge|micropython|stackless"
    r"|jython|ironpython|graalpy|pyston|iojs)",
    re.I,
)

# Node's long-term releases by their names.
LTS = {
    "argon": "4",
    "boron": "6",
    "carbon": "8",
    "dubnium": "10",
    "erbium": "12",
    "fermium": "14",
    "gallium": "16",
    "hydrogen": "18",
    "iron": "20",
    "jod": "22",
    "krypton": "24",
}


def pinned(text: str) -> str | None:
    """The version in a pin such as `v18.16.0`, `python-3.11.4`, `temurin-21.0.2+13`.

    A name of Node's is its number (`lts/iron` is 20), a dated `nightly-2024-05-01` stays whole.
    None for `lts/*`, `system`, `latest`.
    """
    first = next((line.strip() for line in text.splitlines() if _meaningful(line)), "")
    if first.startswith("lts/"):
        return LTS.get(first[4:].lower())
    dated = re.match(r"(?:nightly|beta)-\d{4}-\d\d-\d\d\b", first)
    if dated:
        return dated.group()
    match = re.search(r"(?:^|[^\d.])(\d+(?:\.\d+)*)", first)
    if match is None or OTHERS.match(first) or first.startswith(("lts", "ref:", "path:")):
        return None
    return match.group(1)


def lower_bound(text: str, parts: int = 1) -> str | None:
    """The release a range starts at, to `parts` numbers: `>=18 <21` is 18, `20.x || 22.x` is 22.

    An exact version is kept whole. Of alternatives the highest counts: its authors last added it.
    """
    bounds = [_bound(part, parts) for part in re.split(r"\s*\|{1,2}\s*", text)]
    known = [bound for bound in bounds if bound]
    return max(known, key=_key) if known else None


def _bound(part: str, parts: int) -> str | None:
    for operator, version in _TERM.findall(part):
        if operator.startswith(("<", "!")):
            continue
        numbers = re.findall(r"\d+", version)
        exact = operator in ("", "=", "==", "===") and "x" not in version and "*" not in version
        # before 1.0 the second number is the release; a tilde keeps it
        kept = max(parts, 2) if numbers[0] == "0" or operator.startswith("~") else parts
        return ".".join(numbers if exact else numbers[:kept])
    return None


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _meaningful(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def set_version(found: Found, folder: Folder, tool: str) -> None:
    """Takes the version from pin files, then asdf, then mise; the folder's before the root's."""
    for place in _places(folder):
        for name, line, version in _pins(place, tool):
            version = java_release(version) if tool == "java" else version
            found.set("version", version, place.full(name), line)


def java_release(version: str) -> str:
    """Java 8 and older are also written 1.8."""
    return version.removeprefix("1.")


def _places(folder: Folder) -> list[Folder]:
    return [folder, Folder(folder.reader)] if folder.path else [folder]


def _pins(folder: Folder, tool: str) -> Iterator[tuple[str, int, str]]:
    for name in PIN_FILES.get(tool, ()):
        text = folder.text(name)
        version = _from_pin_file(name, text) if text else None
        if version:
            yield name, 1, version
    text = folder.text(".tool-versions") or ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        version = pinned(words[1]) if len(words) > 1 and words[0] in TOOLS.get(tool, ()) else None
        if version:
            yield ".tool-versions", number, version
    for name in ("mise.toml", ".mise.toml", ".config/mise.toml"):
        yield from _mise(folder, name, tool)


def _mise(folder: Folder, name: str, tool: str) -> Iterator[tuple[str, int, str]]:
    tools = folder.toml(name).get("tools")
    if not isinstance(tools, dict):
        return
    for key in TOOLS.get(tool, ()):
        value = tools.get(key)
        value = value[0] if isinstance(value, list) and value else value
        value = value.get("version") if isinstance(value, dict) else value
        version = pinned(str(value)) if value is not None else None
        if version:
            yield name, folder.line(name, key), version


def _from_pin_file(name: str, text: str) -> str | None:
    if name == ".sdkmanrc" or name == "system.properties":
        key = "java" if name == ".sdkmanrc" else "java.runtime.version"
        match = re.search(rf"^\s*{re.escape(key)}\s*[=:]\s*(\S+)", text, re.M)
        return pinned(match.group(1)) if match else None
    if name == "runtime.txt" and not re.match(r"\s*(python|pypy)?-?\d", text, re.I):
        return None
    return pinned(text)
