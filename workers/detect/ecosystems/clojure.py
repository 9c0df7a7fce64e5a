"""Clojure by Leiningen, tools.deps, Boot or shadow-cljs."""

from __future__ import annotations

import re

from workers.detect import frameworks, versions
from workers.detect.found import Folder, Found

MANIFESTS = (
    ("project.clj", "lein"),
    ("deps.edn", "clojure"),
    ("build.boot", "boot"),
    ("bb.edn", "babashka"),
)
COMMANDS = {
    "lein": {"compile": "lein compile", "build": "lein uberjar", "test": "lein test"},
    "boot": {"build": "boot build", "test": "boot test"},
    "babashka": {"test": "bb test"},
}
_LEIN = re.compile(r"\[\s*([\w.-]+(?:/[\w.-]+)?)\s+\"")
_DEPS = re.compile(r"([\w.-]+/[\w.-]+)\s*\{\s*:(?:mvn|git|local|sha)")


def inspect(folder: Folder) -> Found | None:
    """The Clojure side of a folder."""
    chosen = next(((file, tool) for file, tool in MANIFESTS if folder.has(file)), None)
    if chosen is None:
        return None
    manifest, tool = chosen
    found = Found(
        folder=folder.path, ecosystem="java", language="clojure", manifest=folder.full(manifest)
    )
    found.manifests = [folder.full(file) for file, _ in MANIFESTS if folder.has(file)]
    found.strength = 0.3 if tool == "babashka" else 1.0
    found.say("language=clojure", found.manifest)
    found.set("package_manager", tool, found.manifest)
    # strings may hold semicolons; names of dependencies never stand behind one
    text = re.sub(r"(?m);.*$|#_\[[^\]]*\]", "", folder.text(manifest, rank=0) or "")
    for name in _LEIN.findall(text) if tool in ("lein", "boot") else _DEPS.findall(text):
        found.dependencies.setdefault(name, found.manifest)
        short, _, artifact = name.partition("/")
        if artifact == short:
            found.dependencies.setdefault(short, found.manifest)
    frameworks.set_framework(found, folder, found.dependencies)
    versions.set_version(found, folder, "java")
    _commands(found, folder, tool, text)
    return found


def _commands(found: Found, folder: Folder, tool: str, text: str) -> None:
    for purpose, command in COMMANDS.get(tool, {}).items():
        found.command(purpose, command, found.manifest)
    if tool == "clojure":
        if folder.has("build.clj"):
            found.command("build", "clojure -T:build uber", folder.full("build.clj"))
        found.command(
            "test", "clojure -M:test" if ":test" in text else "clojure -X:test", found.manifest
        )
    tests = folder.find("*_test.clj", "*_test.cljc", "*_test.cljs")
    found.has_tests = bool(tests)
    if tests:
        kaocha = any("kaocha" in name for name in found.dependencies)
        found.set("test_tool", "kaocha" if kaocha else "clojure.test", folder.full(tests[0]))
    main = re.search(r":main\s+(?:\^\S+\s+)?([\w.-]+)", text)
    if main:
        found.set("entry_point", main.group(1), found.manifest)
