"""Ecosystems that rules/ecosystems.toml describes in full, and small additions to some of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from workers.detect import frameworks, versions
from workers.detect.ecosystems import php, ruby, rust, script
from workers.detect.ecosystems.plain_deps import Declares, declared
from workers.detect.found import Folder, Found
from workers.detect.monorepo import expand
from workers.detect.rules import table

HELPING = 0.3
"""Strength of a manifest that only installs helpers; sources alone say as much."""


class Test(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tool: str
    command: str
    dependencies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    both: bool = False
    directory: str = ""
    pattern: str = ""
    text: tuple[str, ...] = ()


class Linter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dependencies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of ecosystems.toml; the file's head says what each field means."""

    languages: tuple[str, ...]
    manifests: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    strength: float = 1.0
    ecosystem: str = ""
    managers: tuple[tuple[str, str], ...] = ()
    locks: tuple[str, ...] = ()
    declares: tuple[Declares, ...] = ()
    comment: str = ""
    tool: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    tests: tuple[Test, ...] = ()
    has_tests: tuple[str, ...] = ()
    commands: dict[str, tuple[tuple[str, str], ...]] = {}
    entries: tuple[str, ...] = ()
    linters: dict[str, Linter] = {}
    coverage: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    members: tuple[tuple[str, str, str, str], ...] = ()


REFINE: dict[str, Callable[[Folder, Found], None]] = {
    "rust": rust.refine,
    "ruby": ruby.refine,
    "php": php.refine,
    "script": script.refine,
}


@cache
def ecosystems() -> dict[str, Rules]:
    """The rules by ecosystem."""
    return msgspec.convert(table("ecosystems"), dict[str, Rules])


def inspectors() -> Iterator[Callable[[Folder], Found | None]]:
    """`inspect` for each ecosystem of the table, in its order."""
    return (inspector(name) for name in ecosystems())


def inspector(name: str) -> Callable[[Folder], Found | None]:
    """`inspect` for one ecosystem of the table."""
    return lambda folder: inspect(folder, name)


def inspect(folder: Folder, name: str, example: str = "") -> Found | None:
    """What the table's rules find in a folder; None where nothing of the ecosystem is there.

    `example` is a source further down that stands for the folder where nothing else does.
    """
    rules = ecosystems()[name]
    written = folder.sources.keys() & set(rules.languages)
    patterns = rules.manifests + (rules.shared if written else ())
    manifests = [hit for pattern in patterns for hit in present(folder, pattern)]
    sources = [hit for pattern in rules.sources for hit in present(folder, pattern)]
    sources = sources or ([example] if example else [])
    if not manifests and not sources:
        return None
    found = Found(
        folder=folder.path,
        ecosystem=rules.ecosystem or name,
        language=max(rules.languages, key=lambda name: folder.sources.get(name, 0)),
        manifest=folder.full((manifests or sources)[0]),
        strength=rules.strength if manifests else HELPING,
    )
    found.manifests = [folder.full(file) for file in manifests]
    found.say(f"language={found.language}", found.manifest)
    run, dev = declared(folder, rules.declares, rules.comment)
    found.dependencies = {**dev, **run}
    if name == "ruby":
        run = ruby.of_gem(folder, run)
    _manager(found, folder, rules)
    _version(found, folder, rules, name)
    frameworks.set_framework(found, folder, run, dev)
    _members(found, folder, rules)
    if name in REFINE:
        REFINE[name](folder, found)
    if not (folder.unsure or written) and found.framework is None and not found.members:
        # a manifest without a program: for publishing, or for a tool that is written elsewhere
        found.strength = min(found.strength, 0.5)
    if not written and _only_helps(found, rules):
        found.strength = HELPING
    _tests(found, folder, rules)
    _rest(found, folder, rules)
    return found


def _only_helps(found: Found, rules: Rules) -> bool:
    """Whether all that is declared serves a program written in something else."""
    helping = {
        n for pattern in rules.helpers for n in frameworks.matching(pattern, found.dependencies)
    }
    return bool(found.dependencies) and helping >= found.dependencies.keys()


def present(folder: Folder, pattern: str) -> list[str]:
    """Files that fit: a path below the folder, or a pattern of names directly in it."""
    if "*" not in pattern:
        return [pattern] if folder.has(pattern) else []
    if "/" in pattern:
        head, _, tail = pattern.rpartition("/")
        return sorted(n for n in folder.below if re.fullmatch(_regex(head) + "/" + _regex(tail), n))
    return folder.like(pattern)


def _regex(pattern: str) -> str:
    return "[^/]*".join(re.escape(part) for part in pattern.split("*"))


def _manager(found: Found, folder: Folder, rules: Rules) -> None:
    found.note("lock_files", (folder.full(f) for p in rules.locks for f in present(folder, p)))
    for pattern, manager in rules.managers:
        files = present(folder, pattern) if pattern != "*" else [""]
        if files and (pattern != "*" or found.manifests):
            cause = folder.full(files[0]) if files[0] else found.manifest
            found.set("package_manager", manager, cause)


def _version(found: Found, folder: Folder, rules: Rules, name: str) -> None:
    versions.set_version(found, folder, rules.tool or name)
    for place in dict.fromkeys((folder.path, "")):
        here = Folder(folder.reader, place)
        for pattern, expression in rules.versions:
            for file in present(here, pattern)[:1]:
                match = re.search(expression, here.text(file) or "")
                if match:
                    line = (here.text(file) or "").count("\n", 0, match.start(1)) + 1
                    found.set("version", match.group(1).rstrip("."), here.full(file), line)


def _tests(found: Found, folder: Folder, rules: Rules) -> None:
    names = [pattern for pattern in rules.has_tests if "/" not in pattern]
    files = folder.find(*names) if names else []
    files += [hit for p in rules.has_tests if "/" in p for hit in present(folder, p)]
    found.has_tests = found.has_tests or bool(files) or folder.unsure
    for test in rules.tests:
        cause = _test_cause(found, folder, test, found.has_tests)
        if cause:
            known = cause in found.dependencies
            file = found.dependencies[cause] if known else folder.full(cause)
            line = folder.line(file[len(folder.path) :].lstrip("/"), cause) if known else 0
            found.set("test_tool", test.tool, file, line)
            if found.test_tool == test.tool and test.command:
                found.command("test", test.command, file, line)
            return


def _test_cause(found: Found, folder: Folder, test: Test, has_files: bool) -> str | None:
    dependency = next((name for name in test.dependencies if name in found.dependencies), None)
    file = next((hit for p in test.files for hit in present(folder, p)), None)
    file = file or next((p for p in test.files if _may_be(folder, p)), None)
    if test.directory and test.directory not in folder.folders:
        return None
    if test.text:
        name = next(iter(present(folder, test.text[0])), None)
        return name if name and re.search(test.text[1], folder.text(name) or "") else None
    if test.both:
        return dependency if file else None
    if test.pattern and (file or not test.files):
        unlisted = _manifest_name(found) if folder.unsure and "t" in folder.folders else None
        return next(iter(folder.find(test.pattern)), unlisted)
    if not test.dependencies and not test.files:
        return _manifest_name(found) if has_files or test.directory or folder.unsure else None
    return dependency or file


def _may_be(folder: Folder, path: str) -> bool:
    return folder.unsure and "*" not in path and folder.reader.tree.may_hold(folder.full(path))


def _manifest_name(found: Found) -> str:
    return found.manifest[len(found.folder) :].lstrip("/")


def _rest(found: Found, folder: Folder, rules: Rules) -> None:
    for purpose, options in rules.commands.items():
        for pattern, command in options:
            files = present(folder, pattern) if pattern != "*" else [_manifest_name(found)]
            if files:
                found.command(purpose, command, folder.full(files[0]))
    entry = next((hit for pattern in rules.entries for hit in present(folder, pattern)), None)
    if entry:
        found.set("entry_point", entry, folder.full(entry))
    for linter, cause in _linters(found, folder, rules):
        found.note("linters", [linter])
        found.say(f"linter={linter}", cause)
    tool = next((name for name in rules.coverage if name in found.dependencies), None)
    if tool:
        found.set("coverage_tool", tool, found.dependencies[tool])


def _members(found: Found, folder: Folder, rules: Rules) -> None:
    for file, expression, manifest, tool in rules.members:
        text = folder.text(file, rank=0) or ""
        matches = re.findall(expression, text)
        globs = [word for match in matches for word in re.findall(r"[\w./*-]*[\w*]", match)]
        found.members = expand(folder, [*globs, *(f"{glob}/*" for glob in globs)], (manifest,))
        if len(found.members) > 1:
            found.set("monorepo", tool, folder.full(file))
            return


def _linters(found: Found, folder: Folder, rules: Rules) -> Iterator[tuple[str, str]]:
    for linter, rule in rules.linters.items():
        name = next((dep for dep in rule.dependencies if dep in found.dependencies), None)
        file = next((hit for pattern in rule.files for hit in present(folder, pattern)), None)
        if name or file:
            yield linter, found.dependencies[name] if name else folder.full(file or "")
