"""From what each ecosystem found to one answer: which one is the program, and how sure that is."""

from __future__ import annotations

from workers.detect.analysis import Analysis, App, Evidence
from workers.detect.explore import Tree
from workers.detect.found import Folder, Found
from workers.detect.read import Reader
from workers.detect.sources import is_aside, is_test

APP_MANIFESTS = (
    "package.json pyproject.toml requirements.txt Pipfile setup.py go.mod pom.xml build.gradle "
    "build.gradle.kts Cargo.toml Gemfile composer.json mix.exs Package.swift pubspec.yaml".split()
)
FAMILIES: dict[str, tuple[str, ...]] = {
    "node": ("javascript", "typescript"),
    "java": ("java", "kotlin", "scala", "groovy"),
    "python": ("python", "notebook"),
    "go": ("go",),
}


def app_folders(tree: Tree) -> list[str]:
    """The shallowest folders with a manifest; a folder below another one is part of it."""
    candidates = sorted(
        {
            path.rpartition("/")[0]
            for path in tree.match(*APP_MANIFESTS)
            if "/" in path and not is_test(path)
        },
        key=lambda path: (path.count("/"), path),
    )
    kept: list[str] = []
    for path in candidates:
        if not any(path.startswith(upper + "/") for upper in kept):
            kept.append(path)
    return kept[:12]


def score(reader: Reader, found: Found) -> float:
    """How much speaks for this being the program: its manifest, and its share of the sources."""
    counts = Folder(reader, found.folder).sources
    total = sum(n for language, n in counts.items() if language not in ("html", "shell")) or 1
    share = sum(counts.get(name, 0) for name in FAMILIES.get(found.ecosystem, ())) / total
    return found.strength * (0.35 + share)


def analysis(reader: Reader, found: list[Found]) -> Analysis:
    """The answer. With nothing found it says why there is nothing to build."""
    if not found:
        return _nothing(reader)
    best = max(found, key=lambda one: (score(reader, one), one.ecosystem))
    folders = sorted({one.folder for one in found})
    several = [f for f in folders if f] if not best.folder and "" not in folders else []
    apps = _apps(reader, best, found)
    monorepo = best.monorepo or ("services" if len(several) > 1 else None)
    broken = [Evidence(f"{path} {why}", path) for path, why in sorted(reader.broken.items())]
    relevant = sum(path in best.manifests for path in reader.broken)
    confidence = min(1.0, 0.6 + 0.4 * min(1.0, score(reader, best))) - 0.25 * relevant
    return Analysis(
        language=best.language,
        framework=best.framework,
        package_manager=best.package_manager,
        version=best.version,
        test_tool=best.test_tool,
        entry_point=best.entry_point,
        build_command=next(iter(best.commands.get("build", ())), None),
        test_command=next(iter(best.commands.get("test", ())), None),
        monorepo=monorepo,
        apps=apps,
        confidence=round(max(0.05, confidence), 2),
        evidence=(*best.evidence, *broken),
        ecosystem=best.ecosystem,
        port=best.port,
        lock_files=tuple(best.lock_files),
        manifests=tuple(best.manifests),
        commands={purpose: tuple(names) for purpose, names in best.commands.items()},
        linters=tuple(best.linters),
        coverage_tool=best.coverage_tool,
        has_tests=best.has_tests,
        services=tuple(best.services),
        features=tuple(sorted(best.dependencies))[:200],
        questions=tuple(best.doubts),
        facts=best.facts,
    )


def _apps(reader: Reader, best: Found, found: list[Found]) -> tuple[App, ...]:
    if best.members:
        return tuple(App(path, best.language) for path in best.members)
    places: dict[str, Found] = {}
    for one in found:
        now = places.get(one.folder)
        if now is None or score(reader, one) > score(reader, now):
            places[one.folder] = one
    if not best.folder:
        places = {"": best}
    return tuple(App(path or ".", f.language, f.framework) for path, f in sorted(places.items()))


def _nothing(reader: Reader) -> Analysis:
    tree = reader.tree
    reason = "The repository is empty." if tree.empty else "No known build file was found."
    ignored = next((path for path in tree.files if is_aside(path)), None)
    evidence = (Evidence(reason, ignored or ""),) if not tree.empty else ()
    return Analysis(
        nothing_to_build=reason, confidence=0.9 if tree.empty else 0.3, evidence=evidence
    )
