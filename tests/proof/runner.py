"""Runs single jobs of a pipeline with `gitlab-ci-local` in a throw-away Git repository."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.proof import pipeline
from tests.proof.machine import Bench, cache_folder

JOB_TIMEOUT_S = 600
"""A job that takes longer is killed and counts as failed: a first pipeline must not hang."""


def _encoded(text: str) -> str:
    """As `gitlab-ci-local` writes what no folder's name may hold."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class Ran(msgspec.Struct, frozen=True):
    """One call. `code` is the job's exit code, or 137 where it was killed for its time."""

    code: int
    output: str
    seconds: float


class Workspace:
    """A program with its generated files, committed, as a runner would clone it."""

    def __init__(self, root: Path, program: Path, files: Mapping[str, str]) -> None:
        """`root` is a new folder of ours; the merged pipeline is read at once."""
        self.folder = root / "repository"
        self.home = root / "home"
        self.home.mkdir(parents=True)
        shutil.copytree(program, self.folder, ignore=shutil.ignore_patterns(*LEFTOVERS))
        for path, text in files.items():
            (self.folder / path).write_text(text)
        self._git("init", "--quiet", "--initial-branch=main", ".")
        # the runner's own files are none of the program's, whatever lists what Git knows
        (self.folder / ".git" / "info" / "exclude").write_text(".gitlab-ci-local/\n")
        self._git("remote", "add", "origin", "https://gitlab.example.com/proof/program.git")
        self.commit("the program")
        shown = self._local("--preview", timeout=60)
        if shown.code:
            raise RuntimeError(f"gitlab-ci-local refuses the file: {shown.output[-2000:]}")
        self.merged: dict[str, Any] = yaml.safe_load(shown.output[shown.output.index("---") :])
        (self.folder / ".gitlab-ci.yml").write_text(pipeline.for_host(self.merged))
        self.commit("for a shell")

    def commit(self, message: str) -> None:
        """Commit everything: a job sees only what Git knows."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)

    def run(self, job: str, bench: Bench, timeout: float = JOB_TIMEOUT_S) -> Ran:
        """Carry out one job in a fresh clone, with the tools of its image's stand-in."""
        return self._local(job, bench=bench, timeout=timeout)

    def build_folder(self, job: str) -> Path:
        """Where the job ran: `CI_PROJECT_DIR`."""
        name = re.sub(r"[^\w-]+", lambda found: _encoded(found[0]), job)
        return self.folder / ".gitlab-ci-local" / "builds" / name

    def _git(self, *arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", *arguments],
            cwd=self.folder, env=self._environment(None), check=True, timeout=60,
        )  # fmt: skip

    def _local(self, *arguments: str, timeout: float, bench: Bench | None = None) -> Ran:
        program = cache_folder() / "npm" / "node_modules" / ".bin" / "gitlab-ci-local"
        command = [
            str(program), *arguments, "--shell-isolation", "--no-artifacts-to-source",
            "--color=false", "--no-json-schema-validation", "--home", str(self.home),
        ]  # fmt: skip
        return _bounded(command, self.folder, self._environment(bench), timeout)

    def _environment(self, bench: Bench | None) -> dict[str, str]:
        own = {
            "HOME": str(self.home),
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "proof"), ("EMAIL", "proof@example.com"))},
        }  # fmt: skip
        return {**own, **(bench.environment if bench else {})}


LEFTOVERS = (
    "__pycache__", "node_modules", "target", "build", ".pytest_cache", "dist", ".venv",
)  # fmt: skip


def _bounded(command: list[str], folder: Path, env: dict[str, str], timeout: float) -> Ran:
    """Run to the end or kill the whole process group: some faults make the program ignore TERM."""
    began = time.monotonic()
    log = folder.parent / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = 128 + signal.SIGKILL
        finally:
            _end(process)
    return Ran(code, log.read_text(errors="replace"), time.monotonic() - began)


def _end(process: subprocess.Popen[bytes]) -> None:
    """No process of the job outlives it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
