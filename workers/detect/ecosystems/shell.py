"""Shell scripts as a program, and when they only start or build a container."""

from __future__ import annotations

import re

from workers.detect.ecosystems.infra import found_in
from workers.detect.found import Folder, Found

TEST_RUNNERS = tuple(
    f"{folder}{name}.sh"
    for folder in ("", "test/", "tests/", "scripts/")
    for name in (
        "run_tests",
        "run-tests",
        "runtests",
        "run_all",
        "test_all",
        "run",
        "test",
        "tests",
    )
    if folder or name != "run"
)
"""Scripts that run all tests of a program of scripts, by their usual names."""
TEST_SCRIPT = re.compile(
    r"(?:tests?/)?(?:test[_-][\w-]+|[\w-]+[_.-]test)\.(?:ba)?sh|tests?/[\w-]+\.(?:ba)?sh"
)
BARE = re.compile(
    r"(?im)^FROM\s+(?:--\S+\s+)?(?:\S+/)?(scratch|alpine|debian|ubuntu|busybox|bash|fedora|centos"
    r"|rockylinux|almalinux|archlinux|amazonlinux|opensuse|ubi\d*|buildpack-deps)\b(?!-)"
)
"""Base images that bring a system and no program."""
STARTER = re.compile(
    r"(?:(?:bin|scripts?)/)?(?:docker[_-])?(?:start|run|entry_?point|init|boot|launch|cmd)\.(?:ba|z)?sh"
)
"""Scripts that a container calls first, by their usual names."""
ENTRY = re.compile(r"(?:docker[_-])?entry_?point\.(?:ba|z)?sh")
"""Names that only a container's first script has."""
BROUGHT = re.compile(r"(?im)^\s*COPY\s+--from=|\bgit clone\b|/releases/download/")
"""What takes a program into a container that is not the repository's."""
DOWNLOADED = re.compile(r"(?i)^[ \t]*(?:ADD|RUN)\b.*?/releases/download/", re.M)
"""A program that the container gets as it was released: what stands beside it only starts it."""
IMAGE = re.compile(r"\b(?:docker|podman|buildah)\s+(?:buildx\s+)?(?:build|bud)\b")
MOST_BUILDERS = 2


def inspect(folder: Folder) -> Found | None:
    """Scripts: at the top, in bin or scripts, or tested by Bats."""
    tests = folder.find("*.bats")
    scripts = folder.like("*.sh", "*.bash", "*.zsh", "install", "start", "run")
    scripts += [p for p in folder.below if re.match(r"(bin|scripts?|src|lib)/[^/]+\.(ba|z)?sh$", p)]
    if _mostly_shell(folder) and not tests:
        for name in sorted(folder.folders & {"test", "tests"}):
            folder.reader.want_listing(folder.full(name))
        scripts += folder.names
    if folder.sources.keys() <= {"shell"}:
        scripts += [p for p in folder.below if TEST_SCRIPT.fullmatch(p)]
    if not scripts and not tests:
        return None
    helping = not tests and all(path.startswith("scripts/") for path in scripts)
    strength = 0.2 if helping else 0.5 if tests else 0.3
    found = found_in(folder, "shell", "shell", (scripts or tests)[0], strength)
    found.has_tests = bool(tests)
    if tests:
        place = tests[0].rpartition("/")[0] or "."
        found.set("test_tool", "bats", folder.full(tests[0]))
        found.command("test", f"bats -r {place}", folder.full(tests[0]))
    elif not _bare(folder) or (_contained(folder) and _only_enters(folder, scripts)):
        found.strength = 0.05  # scripts beside another product's container only start it
    elif not tests and _builds_images(folder):
        found.strength = 0.05
    _script_tests(found, folder)
    if folder.has(".shellcheckrc"):
        found.note("linters", ["shellcheck"])
    start = folder.has("start.sh", "main.sh", "run.sh")
    found.set("entry_point", start, folder.full(start or ""))
    return found


def _script_tests(found: Found, folder: Folder) -> None:
    """Tests that are scripts themselves: a Makefile's target runs them, a runner, or each does.

    The fact `test_script` names the runner; with `test_scripts` every script is one test.
    """
    target = re.search(r"(?m)^(test|check|tests)\s*:(?!=)", folder.text("Makefile") or "")
    if found.test_tool == "bats":
        return
    runner = folder.has(*TEST_RUNNERS)
    scripts = [p for p in folder.below if TEST_SCRIPT.fullmatch(p)]
    if target:
        line = folder.line("Makefile", target.group())
        found.command("test", f"make {target.group(1)}", folder.full("Makefile"), line)
    elif runner:
        found.facts["test_script"] = runner
        found.command("test", f"./{runner}", folder.full(runner))
    elif scripts:
        found.facts["test_scripts"] = "true"
        found.say("test_scripts=true", folder.full(scripts[0]))
    found.has_tests = bool(target or runner or scripts)


def _bare(folder: Folder) -> bool:
    """Whether no container's file is there, or one that starts from a bare system."""
    file = _contained(folder)
    text = folder.text(file, rank=2) if file else None
    last = text.rfind("\nFROM ") + 1 if text else 0
    return text is None or bool(BARE.match(text, last) or not last and BARE.search(text))


def _contained(folder: Folder) -> str | None:
    """The container's file, or the first of several that differ by an ending only."""
    plain = folder.has("Dockerfile", "Containerfile")
    return plain or next(iter(folder.like("Dockerfile.*")), None)


def _only_enters(folder: Folder, scripts: list[str]) -> bool:
    """Whether scripts do no more than start what their container has from elsewhere."""
    text = folder.text(_contained(folder) or "", rank=2) or ""
    first = STARTER if BROUGHT.search(text) else ENTRY
    few = len(scripts) <= MOST_BUILDERS and any(ENTRY.fullmatch(path) for path in scripts)
    return (few and bool(DOWNLOADED.search(text))) or all(first.fullmatch(p) for p in scripts)


def _builds_images(folder: Folder) -> bool:
    """Whether all that the scripts at the top do is build containers that stand further down.

    Where there are far more containers than scripts, one that builds them tells it of all.
    """
    top = folder.like("*.sh", "*.bash")
    files = folder.find("Dockerfile", "Containerfile")
    many = len(files) >= 2 * len(top)
    if not top or not files or not (many or len(top) <= MOST_BUILDERS):
        return False
    build = (IMAGE.search(folder.text(path, rank=2) or "") for path in top[: MOST_BUILDERS + many])
    return any(build) if many else all(build)


def _mostly_shell(folder: Folder) -> bool:
    """Whether GitLab counts more shell than anything else in a tree too large to list."""
    counts = folder.sources if folder.unsure else {}
    return 2 * counts.get("shell", 0) > sum(counts.values())
