"""What the root of a workspace leaves to its members, taken up again for the whole."""

from __future__ import annotations

from workers.detect import apps
from workers.detect.found import Found
from workers.detect.read import Reader

RECURSIVE = {
    "npm": "npm run {} --workspaces --if-present",
    "pnpm": "pnpm -r run {}",
    "yarn": "npm run {} --workspaces --if-present",
}
"""How one script is run in every member that has it (docs.npmjs.com, pnpm.io).

Yarn's own way ends at the first member without it; npm reads the same manifest.
"""


def promote(best: Found, inside: list[Found]) -> None:
    """Sets the one framework, the common test tool, and scripts that only members have."""
    own = bool(best.facts.pop("own_sources", "")) or best.framework is not None
    shared = None if own else apps.shared_framework(inside)
    if shared is not None and (best.monorepo or len(best.members) == 1):
        best.set("framework", shared.framework, shared.manifest)
        best.set("port", shared.port, shared.manifest)
    tools = [one for one in inside if one.test_tool and one.ecosystem == best.ecosystem]
    if tools:
        names = [one.test_tool for one in tools]
        common = max(tools, key=lambda one: names.count(one.test_tool))
        best.set("test_tool", common.test_tool, common.manifest)
        # npm's root has no script of its own to call: see below
        alike = best.test_tool == common.test_tool and best.ecosystem != "node"
        if alike and not best.commands.get("test"):
            for command in common.commands.get("test", ())[:1]:
                best.command("test", command, common.manifest)
        if best.ecosystem != "node" and best.test_tool == common.test_tool:
            for command in common.commands.get("test", ())[: not best.commands.get("test")]:
                best.command("test", command, common.manifest)
    if best.ecosystem == "node" and best.monorepo:
        _recurse(best, [one for one in inside if one.ecosystem == "node"])


def note_dockerfiles(reader: Reader, best: Found) -> None:
    """Dockerfiles of members: what they are built from, the root or their folder, is not told."""
    files = [f"{path}/Dockerfile" for path in best.members]
    known = [path for path in files if reader.has(path)]
    if best.monorepo and known:
        best.facts["member_dockerfiles"] = " ".join(known)


def _recurse(best: Found, inside: list[Found]) -> None:
    """Commands for all members where the root has none; tests also where it only passes them on.

    The fact `tests_in` is `each` where every member's tests take the same flags, so that each can
    write a report; `script` where a script of the root stands between.
    """
    form = RECURSIVE.get(best.package_manager or "")
    building = [one for one in inside if "build" in one.commands]
    if form and building and "build" not in best.commands:
        best.command("build", form.format("build"), building[0].manifest)
    testing = [one for one in inside if one.has_tests and "test" in one.commands]
    passes_on = best.facts.pop("test_script", None)
    if form and testing and (passes_on == "plain" or "test" not in best.commands):
        command = form.format("test")
        rest = [known for known in best.commands.get("test", ()) if known != command]
        best.commands["test"] = [command, *rest]
        best.say(f"test_command={command}", testing[0].manifest)
        tools = {one.test_tool for one in testing}
        best.test_tool = testing[0].test_tool if len(tools) == 1 else None
        plain = best.package_manager != "yarn"
        plain = plain and all(one.facts.get("tests_in") != "script" for one in testing)
        best.facts["tests_in"] = "each" if len(tools) == 1 and plain else "script"
    elif passes_on:
        best.facts["tests_in"] = "script"
