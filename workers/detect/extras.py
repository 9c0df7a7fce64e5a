"""What stands around the program: containers, pipelines of others, task runners, servers."""

from __future__ import annotations

import re

import msgspec

from workers.detect import ci, services
from workers.detect.analysis import Evidence, Service
from workers.detect.commands import purpose_of, safe
from workers.detect.found import Folder, Found
from workers.detect.rules import table

DOCKERFILES = ("Dockerfile", "Containerfile", "docker/Dockerfile", ".docker/Dockerfile")
MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
JUSTFILES = ("justfile", "Justfile", ".justfile")
TASKFILES = ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml")
TARGETS = {
    "test": ("test", "tests", "check", "unit-test", "test-unit", "unittest"),
    "build": ("build", "all", "dist", "compile", "package"),
    "lint": ("lint", "fmt-check", "format-check", "check-format", "style"),
    "start": ("run", "start", "serve"),
}


class Extra(msgspec.Struct, kw_only=True):
    """Filled by `gather`."""

    dockerfile: str | None = None
    ci_files: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    port: int | None = None
    linters: list[str] = msgspec.field(default_factory=list)
    commands: dict[str, list[str]] = msgspec.field(default_factory=dict)
    evidence: list[Evidence] = msgspec.field(default_factory=list)

    def command(self, purpose: str, command: str, file: str, line: int) -> None:
        known = self.commands.setdefault(purpose, [])
        if command not in known and len(known) < 12:
            known.append(command)
            self.evidence.append(Evidence(f"{purpose}_command={command}", file, line))


def gather(root: Folder, best: Found | None) -> Extra:
    """Reads, after the manifests, at most one file of each kind and two pipelines of others."""
    extra = Extra()
    here = Folder(root.reader, best.folder) if best else root
    places = [here, root] if here.path else [root]
    for folder in places:
        _dockerfile(extra, folder)
        _runners(extra, folder)
        _procfile(extra, folder)
    extra.ci_files = ci.files(root)
    for found in ci.commands(root):
        extra.command(found.purpose, found.command, found.file, found.line)
    for folder in places:
        published = services.published_port(folder) if extra.port is None else None
        if published:
            extra.port = published[0]
            extra.evidence.append(Evidence(f"port={published[0]}", *published[1:]))
    servers, evidence = services.find(root, best)
    extra.services = servers
    extra.evidence += evidence
    return extra


def of_part(root: Folder, best: Found) -> Extra:
    """What stands in the own folder of one of several programs; the root's files are everyone's."""
    extra, here = Extra(), Folder(root.reader, best.folder)
    _dockerfile(extra, here)
    _runners(extra, here)
    _procfile(extra, here)
    published = services.published_port(here) if extra.port is None else None
    extra.port = published[0] if published else extra.port
    extra.services, evidence = services.find(root, best)
    extra.evidence += evidence
    return extra


def _dockerfile(extra: Extra, folder: Folder) -> None:
    name = folder.has(*DOCKERFILES) or next(iter(folder.like("*.dockerfile", "Dockerfile*")), None)
    if name is None or extra.dockerfile:
        return
    extra.dockerfile = folder.full(name)
    extra.evidence.append(Evidence(f"dockerfile={extra.dockerfile}", extra.dockerfile))
    text = folder.text(name, rank=2) or ""
    match = re.search(r"(?mi)^EXPOSE\s+(\d{2,5})\b", text)
    if match and 0 < int(match.group(1)) < 65536:
        extra.port = int(match.group(1))
        line = text.count("\n", 0, match.start()) + 1
        extra.evidence.append(Evidence(f"port={extra.port}", extra.dockerfile, line))


def _runners(extra: Extra, folder: Folder) -> None:
    make = folder.has(*MAKEFILES)
    if make:
        _targets(extra, folder, make, "make", r"(?m)^([A-Za-z][\w.-]*)\s*:(?![=:])")
    just = folder.has(*JUSTFILES)
    if just:
        _targets(extra, folder, just, "just", r"(?m)^@?([a-z][\w-]*)(?: [^:=\n]*)?:(?!=)")
    task = folder.has(*TASKFILES)
    if task:
        _targets(extra, folder, task, "task", r"(?m)^ {1,4}([\w:-]+):[ \t]*$")


def _targets(extra: Extra, folder: Folder, file: str, tool: str, pattern: str) -> None:
    text = folder.text(file, rank=2) or ""
    if tool == "make":
        # recipes only: a target's or a variable's name is no call
        recipes = "\n".join(line for line in text.splitlines() if line.startswith("\t"))
        extra.linters += [
            name for name in table("tools")["linters"] if re.search(rf"\b{name}\b", recipes)
        ]
    places = {
        match.group(1): text.count("\n", 0, match.start()) + 1
        for match in re.finditer(pattern, text)
    }
    for purpose, names in TARGETS.items():
        for name in names:
            if name in places:
                extra.command(purpose, f"{tool} {name}", folder.full(file), places[name])


def _procfile(extra: Extra, folder: Folder) -> None:
    text = folder.text("Procfile", rank=2) or ""
    for number, line in enumerate(text.splitlines(), 1):
        kind, _, command = line.partition(":")
        command = command.strip()
        if kind.strip() == "web" and safe(command) and purpose_of(command) != "test":
            extra.command("start", command, folder.full("Procfile"), number)
