"""Gradle build files in Groovy and Kotlin: plugins, dependencies, toolchain, included projects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from workers.detect import versions
from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing

BUILD_FILES = ("build.gradle.kts", "build.gradle")
SETTINGS_FILES = ("settings.gradle.kts", "settings.gradle")
CATALOG = "gradle/libs.versions.toml"

_COMMENT = re.compile(
    r"(\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')|//[^\n]*|/\*.*?(?:\*/|\Z)", re.S
)
_PLUGIN = re.compile(r"""\bid\s*\(?\s*["']([\w.-]+)["']|apply\s+plugin:\s*["']([\w.-]+)["']""")
_KOTLIN_PLUGIN = re.compile(r"""\bkotlin\s*\(\s*["']([\w.]+)["']\s*\)""")
_COORDINATE = re.compile(r"""["']([\w.-]+:[\w.-]+)(?::[^"']*)?["']""")
_MAP = re.compile(r"""group:\s*["']([\w.-]+)["'],\s*name:\s*["']([\w.-]+)["']""")
_PROJECT_DIR = re.compile(
    r"""\bproject\s*\(\s*["']:?([\w:.-]+)["']\s*\)\.projectDir\s*=[^\n]*?["']"""
    r"""(?:\$\{?\w+\}?/)?([\w-][\w./-]*)["']"""
)
_ALIAS = re.compile(r"\blibs\.([\w.]+)")
_RELEASES = (
    r"languageVersion[^\n]{0,60}?of\(\s*[\"']?(\d+)",
    r"jvmToolchain\s*\(\s*(\d+)",
    r"jvmToolchain\s*\{[^}]*?of\(\s*(\d+)",
    r"options\.release(?:\.set\(|\s*=)\s*(\d+)",
    r"(?:target|source)Compatibility\s*=?\s*(?:JavaVersion\.)?(?:VERSION_|toVersion\()?[\"']?([\d._]+)",
    r"jvmTarget\s*(?:=|\.set\()\s*(?:JvmTarget\.)?(?:JVM_)?[\"']?([\d._]+)",
)


def read(found: Found, folder: Folder) -> None:
    """Fills what build file, settings and version catalog say."""
    name = folder.has(*BUILD_FILES) or ""
    settings = folder.has(*SETTINGS_FILES) or ""
    build = bare(folder.text(name, rank=0) or "")
    found.package_manager = "gradle"
    found.say("package_manager=gradle", found.manifest)
    found.manifests += [folder.full(file) for file in (name, settings) if file]
    _wrapper(found, folder)
    _included(found, folder, settings)
    for app in _app_builds(found, folder, build):
        build += "\n" + bare(folder.reader.text(app, rank=0) or "")
        name = name or app
    file = folder.full(name) if name and folder.has(name) else found.manifest
    for coordinate in (*_plugins(build), *_coordinates(folder, build)):
        found.dependencies.setdefault(coordinate, file)
    if any(c.startswith(("org.jetbrains.kotlin", "kotlin-")) for c in _plugins(build)):
        found.facts["plugin_language"] = "kotlin"
    elif "scala" in _plugins(build):
        found.facts["plugin_language"] = "scala"
    main = re.search(r"""mainClass(?:Name)?(?:\.set\(|\s*=)\s*["']([\w.]+)["']""", build)
    if main:
        found.facts["main_class"] = main.group(1)
    for pattern in _RELEASES:
        match = re.search(pattern, build)
        if match:
            version = versions.java_release(match.group(1).replace("_", ".").strip("."))
            found.set("version", version, file, folder.line(name, match.group(0)[:40]))
    found.note("lock_files", [folder.full(f) for f in ("gradle.lockfile",) if folder.has(f)])


def gathers(folder: Folder) -> bool:
    """Whether the settings include projects."""
    settings = folder.has(*SETTINGS_FILES)
    text = bare(folder.text(settings, rank=0) or "") if settings else ""
    return re.search(r"\binclude\b", text) is not None


def bare(text: str) -> str:
    """The text without its comments; strings keep theirs."""
    return _COMMENT.sub(lambda match: match.group(1) or " ", text)


def _wrapper(found: Found, folder: Folder) -> None:
    wrapper = folder.has("gradlew")
    tool = "gradle"
    if wrapper:
        tool = "./gradlew"
        found.facts["wrapper"] = wrapper
        found.say("wrapper=gradlew", folder.full(wrapper))
    for purpose, task in (("compile", "classes"), ("build", "assemble"), ("test", "test")):
        found.command(purpose, f"{tool} {task}", found.manifest)


def _included(found: Found, folder: Folder, settings: str) -> None:
    text = bare(folder.text(settings, rank=0) or "") if settings else ""
    blocks = re.findall(r"""\binclude\b\s*\(?((?:\s*["'][\w:./-]+["']\s*,?)+)""", text)
    if not blocks and re.search(r"\binclude\b", text):
        blocks = re.findall(r"(?:=\s*|listOf\()\[?([^\]()=]+)", text) + sorted(folder.folders)
        blocks = [f'"{b}"' if b in folder.folders else b for b in blocks]
    names = [name for block in blocks for name in re.findall(r"""["']([\w:./-]+)["']""", block)]
    moved, upper = _moved(text)
    if upper:
        folder.reader.want_listing(folder.full(upper))
    paths = [moved(name.strip(":")) for name in names]
    # parts are written in the language of the settings, until reading them tells otherwise
    kinds = BUILD_FILES if settings.endswith(".kts") else BUILD_FILES[::-1]
    known = [path for path in paths if existing(folder, path, kinds)]
    places = set(folder.reader.tree.all_folders)
    known += [path for path in paths if path not in known and folder.full(path) in places]
    found.members = sorted({folder.full(path) for path in known})
    if len(found.members) > 1:
        found.set("monorepo", "gradle", folder.full(settings), folder.line(settings, "include"))


def _moved(text: str) -> tuple[Callable[[str], str], str]:
    """Where a project stands: by its name, or where the settings put it, or all, into a folder."""
    told = dict(_PROJECT_DIR.findall(text))
    all_of_them = re.search(r"""["']([\w-][\w./-]*)/\$\{?(?:it|project|p)\.name""", text)
    upper = all_of_them.group(1) if all_of_them else ""

    def place(name: str) -> str:
        path = name.replace(":", "/")
        return told.get(name) or (f"{upper}/{path}" if upper else path)

    return place, upper


def _app_builds(found: Found, folder: Folder, build: str) -> Iterator[str]:
    """The build file of the one app below a root that only gathers; `app` by Gradle's habit."""
    reader = folder.reader
    apps = [path for path in found.members if path.rpartition("/")[2] in ("app", "server", "web")]
    for path in (apps or found.members)[:1]:
        yield from (f"{path}/{name}" for name in BUILD_FILES if reader.has(f"{path}/{name}"))


def _plugins(build: str) -> list[str]:
    names = [a or b for a, b in _PLUGIN.findall(build)]
    return names + [f"org.jetbrains.kotlin.{name}" for name in _KOTLIN_PLUGIN.findall(build)]


def _coordinates(folder: Folder, build: str) -> Iterator[str]:
    yield from _COORDINATE.findall(build)
    yield from (f"{group}:{name}" for group, name in _MAP.findall(build))
    aliases = {alias.replace(".", "-") for alias in _ALIAS.findall(build)}
    aliases |= {alias.removeprefix("plugins-") for alias in aliases}
    if not aliases or not existing(folder, "gradle", (CATALOG.partition("/")[2],)):
        return
    catalog = folder.toml(CATALOG, rank=0)
    for kind in ("libraries", "plugins"):
        table = catalog.get(kind)
        for alias, value in table.items() if isinstance(table, dict) else ():
            if re.sub(r"[._]", "-", alias) in aliases:
                yield from _catalog_entry(value)


def _catalog_entry(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield ":".join(value.split(":")[:2])
    elif isinstance(value, dict):
        module = value.get("module") or value.get("id")
        module = module or f"{value.get('group', '')}:{value.get('name', '')}"
        yield str(module)
