"""From the winner to the `Analysis`: one place where every field is filled."""

from __future__ import annotations

from workers.detect import apps, extras, features, judge, nothing, workspaces
from workers.detect.analysis import Analysis, App, Evidence
from workers.detect.extras import Extra
from workers.detect.found import Folder, Found
from workers.detect.judge import Verdict
from workers.detect.read import Reader


def analysis(
    reader: Reader,
    chosen: Verdict | None,
    inside: list[Found],
    beside: list[Found],
    extra: Extra,
) -> Analysis:
    """The answer; where nothing was found it says why there is nothing to build."""
    broken = tuple(Evidence(f"{path} {why}", path) for path, why in sorted(reader.broken.items()))
    if chosen is None or chosen.best.strength <= judge.USELESS:
        return _nothing(reader, extra, broken)
    best = chosen.best
    if best.folder:
        best.facts["path"] = best.folder
    workspaces.promote(best, inside)
    workspaces.note_dockerfiles(reader, best)
    monorepo, listed = _parts(reader, best, inside, beside)
    commands = _commands(best, extra)
    return Analysis(
        language=best.language,
        framework=best.framework,
        package_manager=best.package_manager,
        version=best.version,
        test_tool=best.test_tool,
        entry_point=best.entry_point,
        build_command=next(iter(commands.get("build", ())), None),
        test_command=next(iter(commands.get("test", ())), None),
        monorepo=monorepo,
        apps=listed,
        confidence=judge.confidence(reader, chosen, len(beside)),
        evidence=(*best.evidence, *extra.evidence, *broken),
        ecosystem=best.ecosystem,
        port=extra.port or best.port,
        lock_files=tuple(best.lock_files),
        manifests=tuple(best.manifests),
        commands=commands,
        linters=tuple(dict.fromkeys((*best.linters, *extra.linters))),
        coverage_tool=best.coverage_tool,
        has_tests=best.has_tests or any(one.has_tests for one in inside),
        services=extra.services,
        dockerfile=extra.dockerfile,
        ci_files=extra.ci_files,
        features=features.words(best, [*inside, *beside], monorepo, extra),
        nothing_to_build=best.nothing_to_build,
        questions=judge.questions(reader, chosen, beside),
        facts={key: value[:200] for key, value in sorted(best.facts.items()) if value},
    )


def parts(reader: Reader, beside: list[Found]) -> tuple[Analysis, ...]:
    """Each of several programs that stand side by side, as if it were the only one."""
    root = Folder(reader)
    return tuple(
        analysis(reader, Verdict(one, one.strength), [], [], extras.of_part(root, one))
        for one in beside
    )


def _parts(
    reader: Reader, best: Found, inside: list[Found], beside: list[Found]
) -> tuple[str | None, tuple[App, ...]]:
    if best.members:
        listed = apps.members(reader, best, inside)
        if best.monorepo and listed:
            return best.monorepo, listed
    if len(beside) > 1:
        best.say("monorepo=services", beside[0].manifest)
        for one in beside[1:]:
            best.say(f"app={one.folder}", one.manifest)
        parts = tuple(sorted(App(one.folder or ".", one.language, one.framework) for one in beside))
        return "services", parts
    return None, (App(best.folder or ".", best.language, best.framework),)


def _commands(best: Found, extra: Extra) -> dict[str, tuple[str, ...]]:
    """The ecosystem's own commands first, then what other files of the repository run."""
    purposes = dict.fromkeys((*best.commands, *extra.commands))
    return {
        purpose: tuple(
            dict.fromkeys((*best.commands.get(purpose, ()), *extra.commands.get(purpose, ())))
        )
        for purpose in purposes
    }


def _nothing(reader: Reader, extra: Extra, broken: tuple[Evidence, ...]) -> Analysis:
    why, file = nothing.reason(reader.tree)
    unknown, tests = why == nothing.UNKNOWN, extra.commands.get("test", [])
    if unknown and tests and tests[0].startswith("make "):
        return _by_make(reader, extra, broken)
    certain = 0.3 if broken or unknown else 0.9
    evidence = (Evidence(why, file), *extra.evidence, *broken) if file else broken
    asked = ("What should be built here?",) if certain < 0.5 else ()
    return Analysis(
        nothing_to_build=why,
        confidence=certain,
        evidence=evidence,
        ci_files=extra.ci_files,
        dockerfile=extra.dockerfile,
        questions=asked,
    )


def _by_make(reader: Reader, extra: Extra, broken: tuple[Evidence, ...]) -> Analysis:
    """A Makefile that tests is a program's, in whatever language; `make` is all that is known."""
    commands = {purpose: tuple(found) for purpose, found in extra.commands.items()}
    makefile = Folder(reader).has(*extras.MAKEFILES) or ""
    tool = Evidence("test_tool=make", makefile)
    return Analysis(
        test_tool="make",
        build_command=next(iter(commands.get("build", ())), None),
        test_command=commands["test"][0],
        confidence=0.45,
        evidence=(*extra.evidence, tool, *broken),
        ecosystem="make",
        manifests=(makefile,),
        commands=commands,
        linters=tuple(extra.linters),
        has_tests=True,
        services=extra.services,
        dockerfile=extra.dockerfile,
        ci_files=extra.ci_files,
        features=("ecosystem:make",),
        questions=("Which language is this? Only its Makefile could be read.",),
    )
