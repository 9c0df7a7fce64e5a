"""pom.xml: coordinates, modules, Java release, wrapper."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from workers.detect import versions
from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing

# In the order in which they bind the compiler.
RELEASES = (
    "maven.compiler.release",
    "java.version",
    "maven.compiler.target",
    "maven.compiler.source",
    "jdk.version",
    "javaVersion",
    "java.release",
    "kotlin.compiler.jvmTarget",
)
_NAMED = re.compile(r"(?:java|javac|jdk)[\w.-]*(?:version|source|target|release|level)", re.I)
"""What a project calls the release where no plugin of its own names it."""


def read(found: Found, folder: Folder) -> None:
    """Fills what the pom says; a module without its own release takes the root's."""
    found.package_manager = "maven"
    found.say("package_manager=maven", found.manifest)
    found.manifests.append(found.manifest)
    wrapper = folder.has("mvnw")
    if wrapper:
        found.facts["wrapper"] = wrapper
        found.say("wrapper=mvnw", folder.full(wrapper))
    tool = "./mvnw" if wrapper else "mvn"
    for purpose, goal in (("compile", "compile"), ("build", "package"), ("test", "test")):
        found.command(purpose, f"{tool} {goal}", found.manifest)
    pom = folder.xml("pom.xml", rank=0)
    if pom is not None:
        _coordinates(found, folder, pom)
        _modules(found, folder, pom)
        _release(found, folder, pom)
    elif not folder.has("pom.xml"):
        _foreign(found, folder)
    root = Folder(folder.reader).xml("pom.xml", rank=0) if folder.path else None
    if root is not None:
        _release(found, Folder(folder.reader), root)


def _foreign(found: Found, folder: Folder) -> None:
    """The release in a project written in YAML, Kotlin, Ruby …: `name`, a sign, its number."""
    file = found.manifest[len(folder.path) :].lstrip("/")
    text = folder.text(file, rank=0) or ""
    for name in RELEASES:
        match = re.search(rf"{re.escape(name)}[^\w\n]{{1,6}}(?:to\W{{1,3}})?(\d[\d.]*)", text)
        if match:
            release = versions.java_release(match.group(1))
            line = text.count("\n", 0, match.start()) + 1
            found.set("version", release, found.manifest, line)


def _coordinates(found: Found, folder: Folder, pom: Element) -> None:
    file = folder.full("pom.xml")
    managed = {id(e) for block in pom.iter("dependencyManagement") for e in block.iter()}
    for kind in ("parent", "dependency", "plugin"):
        for element in pom.iter(kind):
            if kind == "plugin" or id(element) not in managed or _bom(element):
                group, artifact = _text(element, "groupId"), _text(element, "artifactId")
                if artifact:
                    found.dependencies[f"{group or 'org.apache.maven.plugins'}:{artifact}"] = file
    main = next((e.text for e in pom.iter("mainClass") if e.text and "$" not in e.text), None)
    main = main or next((e.text for e in pom.iter("start-class") if e.text), None)
    if main:
        found.facts["main_class"] = main.strip()
    found.facts["artifact"] = _text(pom, "artifactId") or ""
    found.facts["packaging"] = _text(pom, "packaging") or "jar"
    if any(name.endswith(":kotlin-maven-plugin") for name in found.dependencies):
        found.facts["plugin_language"] = "kotlin"
    if any(name.endswith(":scala-maven-plugin") for name in found.dependencies):
        found.facts["plugin_language"] = "scala"


def _bom(element: Element) -> bool:
    return _text(element, "scope") == "import"


def _text(element: Element, name: str) -> str | None:
    child = element.find(name)
    return child.text.strip() if child is not None and child.text else None


def _modules(found: Found, folder: Folder, pom: Element) -> None:
    names = [module.text.strip() for module in pom.iter("module") if module.text]
    known = {
        folder.full(name.removesuffix("/pom.xml")): name
        for name in names
        if existing(folder, name, ("pom.xml",)) or (name.endswith("pom.xml") and folder.has(name))
    }
    found.members = sorted(known)
    if len(found.members) > 1:
        found.set("monorepo", "maven", found.manifest, folder.line("pom.xml", "<modules>"))


def _release(found: Found, folder: Folder, pom: Element) -> None:
    # a profile's is not the usual build's
    apart = {id(element) for profile in pom.iter("profile") for element in profile.iter()}
    properties = {
        child.tag: (child.text or "").strip()
        for block in pom.iter("properties")
        for child in block
        if id(child) not in apart
    }
    for plugin in pom.iter("plugin"):
        if id(plugin) not in apart and _text(plugin, "artifactId") == "maven-compiler-plugin":
            for tag in ("release", "target", "source"):
                for element in plugin.iter(tag):
                    _set(found, folder, properties, tag, (element.text or "").strip())
    for name in RELEASES:
        if name in properties:
            _set(found, folder, properties, name, properties[name])
    for name, value in properties.items():
        if _NAMED.fullmatch(name) and re.fullmatch(r"(1\.)?\d{1,2}", value):
            _set(found, folder, properties, name, value)


def _set(found: Found, folder: Folder, properties: dict[str, str], tag: str, value: str) -> None:
    for _ in range(5):
        reference = re.fullmatch(r"\$\{([^}]+)\}", value)
        if reference is None:
            break
        value = properties.get(reference.group(1), "")
    line = folder.line("pom.xml", f"<{tag}>")
    version = versions.pinned(value)
    release = versions.java_release(version) if version else None
    found.set("version", release, folder.full("pom.xml"), line)
