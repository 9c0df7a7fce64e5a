"""Scala by sbt or Mill, Clojure by Leiningen or tools.deps, Java by Ant or by nothing."""

from __future__ import annotations

import re

from workers.detect import frameworks, versions
from workers.detect.ecosystems.gradle import bare
from workers.detect.found import Folder, Found

_SBT = re.compile(r'"([\w.-]+)"\s*%%?%?\s*"([\w.-]+)"')
_MILL = re.compile(r'\b(?:ivy|mvn)"([\w.-]+)::?:?([\w.-]+)')
_MODULE = re.compile(r"\blazy\s+val\s+(\w+)\s*=[^\n]*?(?:\w*[pP]roject\b|projectMatrix\b)")
_CALLED = re.compile(r'\blazy\s+val\s+\w+\s*=\s*\w+\(\s*(?:id\s*=\s*)?"([\w-]+)"')
_IN_FILE = re.compile(r'\bin\b\s*\(?\s*file\s*\(\s*"([^"]+)"')
_TESTS = (
    ("scalatest", ("org.scalatest:*", "org.scalatestplus*")),
    ("munit", ("org.scalameta:munit*", "org.typelevel:munit*")),
    ("specs2", ("org.specs2:*",)),
    ("zio-test", ("dev.zio:zio-test*",)),
    ("utest", ("com.lihaoyi:utest*",)),
    ("weaver", ("com.disneystreaming:weaver*",)),
    ("junit", ("junit:junit", "com.novocode:junit-interface", "com.github.sbt:junit-interface")),
)


def inspect(folder: Folder) -> Found | None:
    """The Scala side of a folder: sbt before Mill."""
    sbt = folder.has("build.sbt", "project/build.properties", "project/Build.scala")
    mill = folder.has("build.sc", "build.mill", "build.mill.yaml")
    manifest = sbt or mill
    if manifest is None:
        return None
    found = Found(
        folder=folder.path, ecosystem="java", language="scala", manifest=folder.full(manifest)
    )
    found.manifests.append(found.manifest)
    if not folder.sources.get("scala") and folder.sources.get("java"):
        found.language = "java"
    found.say(f"language={found.language}", found.manifest)
    found.set("package_manager", "sbt" if sbt else "mill", found.manifest)
    text = bare(folder.text(manifest, rank=0) or "")
    folder.reader.want_listing(folder.full("project"))
    for file, content in ((manifest, text), *_more(folder)):
        for group, name in (*_SBT.findall(content), *_MILL.findall(content)):
            found.dependencies.setdefault(f"{group}:{name}", folder.full(file))
    if re.search(r"\b(Play(Scala|Java|Service)?)\b", text) and "enablePlugins" in text:
        found.dependencies.setdefault("org.playframework:play", found.manifest)
    frameworks.set_framework(found, folder, found.dependencies)
    _version(found, folder, text)
    _modules(found, folder, text)
    _commands(found, folder, manifest, bool(sbt))
    return found


def _more(folder: Folder) -> list[tuple[str, str]]:
    """Files of the build's own project; sbt reads every Scala file there."""
    written = [path for path in folder.below if re.fullmatch(r"project/\w+\.scala", path)]
    names = dict.fromkeys(["project/plugins.sbt", "project/Dependencies.scala", *written[:3]])
    return [(name, bare(folder.text(name) or "")) for name in names if folder.has(name)]


def _version(found: Found, folder: Folder, text: str) -> None:
    """The JDK that pin files, -release or javacOptions name; scalaVersion is kept as a fact."""
    versions.set_version(found, folder, "java")
    release = re.search(
        r'"-?-(?:release|target|source)"\s*,\s*"([\d.]+)"|"-release:([\d.]+)"', text
    )
    if release:
        version = versions.java_release(release.group(1) or release.group(2))
        found.set("version", version, found.manifest)
    scala = re.search(r'scalaVersion\s*(?::=|=)\s*"([\d.]+)"', text)
    if scala:
        found.facts["scala"] = scala.group(1)
        name = found.manifest[len(folder.path) :].lstrip("/")
        found.say(f"scala={scala.group(1)}", found.manifest, folder.line(name, "scalaVersion"))
    properties = folder.text("project/build.properties") or ""
    sbt = re.search(r"^\s*sbt\.version\s*=\s*(\S+)", properties, re.M)
    if sbt:
        found.facts["sbt"] = sbt.group(1)


def _modules(found: Found, folder: Folder, text: str) -> None:
    places = {place.strip("./") for place in _IN_FILE.findall(text)} - {""}
    places |= {n for n in _CALLED.findall(text) if n in folder.folders}
    places |= {n for n in _MODULE.findall(text) if n in folder.folders}
    known = {folder.full(path) for path in places if path.partition("/")[0] in folder.folders}
    found.members = sorted(known if folder.unsure else known & set(folder.reader.tree.all_folders))
    if len(found.members) > 1:
        found.set("monorepo", "sbt", found.manifest)


def _commands(found: Found, folder: Folder, manifest: str, sbt: bool) -> None:
    tool = (
        ("./sbt" if folder.has("sbt") else "sbt")
        if sbt
        else "./mill"
        if folder.has("mill")
        else "mill"
    )
    for purpose, task in (("compile", "compile"), ("test", "test")):
        found.command(purpose, f"{tool} {task}" if sbt else f"{tool} __.{task}", found.manifest)
    plugins = folder.text("project/plugins.sbt") or ""
    native = "native-packager" in plugins or found.framework == "play"
    task = "stage" if native else "assembly" if "sbt-assembly" in plugins else "package"
    found.command("build", f"{tool} {task}" if sbt else f"{tool} __.assembly", found.manifest)
    for name, patterns in _TESTS:
        dependency = frameworks.first(patterns, found.dependencies)
        if dependency:
            found.set("test_tool", name, found.dependencies[dependency])
    found.has_tests = any(
        "test/" in path and path.endswith((".scala", ".java")) for path in folder.below
    )
    if folder.has(".scalafmt.conf"):
        found.note("linters", ["scalafmt"])
    if "scoverage" in plugins:
        found.set("coverage_tool", "scoverage", folder.full("project/plugins.sbt"))
