"""The JVM: Java, Kotlin and Scala built by Maven or Gradle."""

from __future__ import annotations

import re

from workers.detect import frameworks, versions
from workers.detect.ecosystems import gradle, maven
from workers.detect.found import Folder, Found

TEST_TOOLS = (
    ("testng", ("org.testng*",)),
    ("spock", ("org.spockframework*",)),
    ("kotest", ("io.kotest*",)),
    ("munit", ("org.scalameta:munit*",)),
    ("scalatest", ("org.scalatest:*",)),
    ("junit", ("*junit*", "org.springframework.boot:spring-boot-starter-test*", "*kotlin-test*")),
    ("junit", ("org.jetbrains.kotlin.test*", "*:rest-assured")),
)
ENTRIES = (
    "*Application.java",
    "*Application.kt",
    "Main.java",
    "Main.kt",
    "Application.scala",
    "App.java",
    "App.kt",
    "Server.java",
)
POLYGLOT = ("pom.yaml", "pom.yml", "pom.rb", "pom.groovy", "pom.kts", "pom.scala", "pom.atom")
"""Maven's project in other languages, for which its extension stands in .mvn; not read."""
SOURCES = {"java": "java", "kotlin": "kotlin", "scala": "scala", "groovy": "groovy"}


def inspect(folder: Folder) -> Found | None:
    """The JVM side of a folder; None without a build file of Maven or Gradle."""
    pom = folder.has("pom.xml", *POLYGLOT)
    built = folder.has(*gradle.BUILD_FILES, *gradle.SETTINGS_FILES)
    if pom is None and built is None:
        return _unbuilt(folder)
    manifest = pom or built or ""
    found = Found(
        folder=folder.path, ecosystem="java", language="java", manifest=folder.full(manifest)
    )
    versions.set_version(found, folder, "java")
    if pom and not (built and _by_gradle(folder)):
        maven.read(found, folder)
    else:
        found.manifest = folder.full(built or manifest)
        gradle.read(found, folder)
    _language(found, folder)
    frameworks.set_framework(found, folder, found.dependencies)
    if found.members and "src" in folder.folders:
        # a root that is a program itself: what a part of it is made with is not what it is
        folder.reader.want_listing(folder.full("src"))
        if folder.full("src/main") in folder.reader.tree.subfolders.get(folder.full("src"), ()):
            found.facts["own_sources"] = "true"
    _tests(found, folder)
    _entry(found, folder)
    return found


def _by_gradle(folder: Folder) -> bool:
    """Which of two builds counts: the one with a wrapper, else the one that gathers projects."""
    if folder.has("mvnw", ".mvn/wrapper/maven-wrapper.properties"):
        return False
    pom = folder.text("pom.xml", rank=0) or ""
    return bool(folder.has("gradlew")) or ("<module>" not in pom and gradle.gathers(folder))


def _unbuilt(folder: Folder) -> Found | None:
    """Ant's build file, or sources that nothing builds, at the top or under src."""
    ant = folder.has("build.xml")
    loose = [p for p in folder.below if p.endswith((".java", ".kt")) and p.count("/") <= 4]
    loose = [p for p in loose if "/" not in p or p.startswith(("src/", "app/", "lib/"))]
    packed = folder.has("WEB-INF/web.xml", "META-INF/MANIFEST.MF")
    packed = packed or next(iter(folder.like("*.jar", "*.war")), None)
    loose += folder.like("*.groovy")
    if not loose and not packed:
        return None
    manifest = ant or (loose or [packed or ""])[0]
    found = Found(
        folder=folder.path, ecosystem="java", language="java", manifest=folder.full(manifest)
    )
    found.strength = 0.9 if ant else 0.3 if loose or "INF/" in manifest else 0.2
    if ant:
        found.manifests.append(folder.full(ant))
        found.set("package_manager", "ant", folder.full(ant))
        text = folder.text(ant, rank=0) or ""
        for purpose, names in (
            ("compile", ("compile",)),
            ("build", ("jar", "war", "dist", "build")),
        ):
            for name in names:
                if f'name="{name}"' in text:
                    found.command(purpose, f"ant {name}", folder.full(ant))
        if 'name="test"' in text:
            found.command("test", "ant test", folder.full(ant))
    versions.set_version(found, folder, "java")
    _language(found, folder)
    if any("junit" in path.rpartition("/")[2] for path in folder.below):
        found.dependencies["junit:junit"] = found.manifest
    _tests(found, folder)
    return found


def _language(found: Found, folder: Folder) -> None:
    """By the sources under src/main; the build's plugins while none are known."""
    counts = {name: folder.sources.get(name, 0) for name in SOURCES}
    main = [p for p in folder.below if "src/main/" in p or p.startswith(("app/", "grails-app/"))]
    for name, suffix in (
        ("kotlin", ".kt"),
        ("scala", ".scala"),
        ("java", ".java"),
        ("groovy", ".groovy"),
    ):
        if name in counts:
            counts[name] = sum(path.endswith(suffix) for path in main) or counts[name] // 4
    if folder.unsure and not folder.path:
        counts = {name: folder.sources.get(name, 0) for name in SOURCES}
    best = max(SOURCES, key=lambda name: (counts[name], name == "java"))
    if counts[best]:
        found.language = best
    elif found.facts.get("plugin_language"):
        found.language = found.facts["plugin_language"]
    found.facts.pop("plugin_language", None)
    found.say(f"language={found.language}", found.manifest)


def _entry(found: Found, folder: Folder) -> None:
    """The usual names of a class with `main`, nearest to the root."""
    name = next(iter(folder.find(*ENTRIES)), None)
    if name is None or "/test/" in name:
        return
    found.set("entry_point", name, folder.full(name))
    named = re.search(r"src/main/(?:java|kotlin|scala)/(.+)\.(java|kt|scala)$", name)
    if named:
        suffix = "Kt" if named.group(2) == "kt" else ""
        found.facts.setdefault("main_class", named.group(1).replace("/", ".") + suffix)


def _tests(found: Found, folder: Folder) -> None:
    found.has_tests = any("/test/" in f"/{path}" and path.count(".") for path in folder.below)
    for tool, patterns in TEST_TOOLS:
        chosen = frameworks.first(patterns, found.dependencies)
        if chosen:
            found.set("test_tool", tool, found.dependencies[chosen])
    if found.has_tests or folder.unsure:
        found.set("test_tool", "junit", found.manifest)
    else:
        found.test_tool = None
        found.commands.pop("test", None)
    if "jacoco" in " ".join(found.dependencies):
        found.set("coverage_tool", "jacoco", found.manifest)
    for linter in ("checkstyle", "spotbugs", "pmd", "spotless", "detekt", "ktlint"):
        if any(linter in name for name in found.dependencies):
            found.note("linters", [linter])
