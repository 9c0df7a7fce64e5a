"""`python -m tests.chaos.mutants`: each safety taken out, one at a time; the tests must notice.

In a copy of the tree. A check counts only where it passes on the copy as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.chaos.rig import ROOT

LEDGER = "tests/integration/test_ledger.py"
CHECK_S = 600
FAILED, PASSED, TOO_LONG = 1, 0, -1
"""pytest's exit codes for "tests ran, some failed" and for "all passed"; others prove nothing."""


class Mutant(msgspec.Struct, frozen=True):
    """`old`, which stands once in `path`, becomes `new`; `check` must then fail."""

    name: str
    path: str
    old: str
    new: str
    check: str


MUTANTS = (
    Mutant("dedupe", "workers/store/lua/receive.lua", "if seen then return", "if false then return",
           f"{LEDGER}::test_the_same_delivery_by_key_or_by_content_is_a_duplicate"),
    Mutant("store before the answer", "service/webhooks.py",
           'answer = await _patiently(request.state["inbox"], receive_call(event, key))',
           'asyncio.ensure_future(_patiently(request.state["inbox"], receive_call(event, key)))\n'
           '        return _json(202, Accepted("0-0"))',
           "tests/integration/test_receiver.py::test_redis_refusing_writes_is_503"),
    Mutant("parent-death signal of the work-horse", "workers/worker.py",
           "        die_with_parent(self._parent_pid)\n", "", "tests/chaos/test_orphans.py"),
    Mutant("parent-death signal of the processes", "workers/supervisor.py",
           "        die_with_parent(int(parent))\n", "        return\n",
           "tests/chaos/test_orphans.py"),
    Mutant("one queue for a worker", "workers/worker.py", "[queues.rq_queue(queue, redis)]",
           "[queues.rq_queue(name, redis) for name in queues.QUEUES[:2]]",
           "tests/integration/test_worker.py"),
    Mutant("loop guard", "workers/events.py",
           'if self.kind == "push" and self.ref.startswith(BRANCH_PREFIX):',
           'if self.kind == "push" and self.ref.startswith("nobody/"):',
           "tests/unit/test_events.py"),
    Mutant("lease", "workers/store/ledger.py",
           "self._redis.set(lease, token, nx=True, px=LEASE_MS)",
           "self._redis.set(lease, token, px=LEASE_MS)",
           f"{LEDGER}::test_work_is_held_by_one_and_what_comes_meanwhile_is_not_lost"),
    Mutant("done only by the lease's holder", "workers/store/lua/done.lua",
           "if redis.call('GET', KEYS[4]) ~= ARGV[5] then return -1 end", "",
           f"{LEDGER}::test_a_worker_that_lost_its_lease_cannot_say_done"),
    Mutant("lost work sent again", "workers/ticker.py",
           "            if lost and ", "            if project < 0 and ",
           "tests/integration/test_ticker.py"),
    Mutant("compare-and-swap: one branch per commit", "workers/steps/publish.py",
           "    branch = branch_name(target.source_sha)\n",
           "    branch = PREFIX + run_id[-8:]\n", "tests/integration/test_publish.py"),
    Mutant("compare-and-swap: the commit it replaces", "workers/steps/publish.py",
           'Action("update", path, text, state.last_commit_id)',
           'Action("update", path, text, None)', "tests/integration/test_publish.py"),
    Mutant("compare-and-swap: a refusal is looked at", "workers/steps/publish.py",
           "        if found is None:\n            raise\n    return _upon(",
           "        if found is None:\n            raise\n        return found.commit, False\n"
           "    return _upon(", "tests/integration/test_publish.py"),
    Mutant("compare-and-swap: versions of a run", "workers/store/lua/save_run.lua",
           "if version ~= tonumber(ARGV[2]) then", "if false then",
           "tests/integration/test_run_store.py"),
    Mutant(
        "a verdict in one write",
        "workers/conclude.py",
        "    run = end(\n        parts, run, to, reason, next_step,",
        '    parts.runs.update(run.id, lambda now: replace(now, settled_by=mark), "")\n'
        "    run = end(\n        parts, run, to, reason, next_step,",
        "tests/chaos/test_crash_points.py::test_a_verdict_survives_death_at_every_point",
    ),
    Mutant("a lent token ends with its run", "workers/store/lua/save_run.lua",
           "  redis.call('DEL', KEYS[6])\n", "", "tests/integration/test_lent.py"),
    Mutant("writes before answers in Redis", "workers/embedded.py",
           '"appendfsync": "no"', '"appendfsync": "everysec"',
           "tests/integration/test_embedded.py"),
    Mutant("no capability in a container", "compose.yaml", "\n  cap_drop: [ALL]\n", "\n",
           "tests/confined/test_confined.py"),
    Mutant("a container for reading", "compose.yaml", "\n  read_only: true\n", "\n",
           "tests/confined/test_confined.py"),
)  # fmt: skip


def main() -> int:
    """Prints a line a mutant; 1 where one was not caught."""
    wanted = sys.argv[1:]
    chosen = [m for m in MUTANTS if not wanted or any(word in m.name for word in wanted)]
    caught = [_tried(mutant) for mutant in chosen]
    print(f"{sum(caught)} of {len(caught)} caught")
    return 0 if all(caught) else 1


def _tried(mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory(prefix="chaos-mutant-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        before = _check(tree, mutant.check)
        source = tree / mutant.path
        text = source.read_text()
        if text.count(mutant.old) != 1:
            raise ValueError(f"{mutant.name}: {mutant.path} does not hold what is to be taken out")
        source.write_text(text.replace(mutant.old, mutant.new))
        after = _check(tree, mutant.check)
    caught = (before, after) == (PASSED, FAILED)
    word = "caught" if caught else f"NOT CAUGHT (exit codes {before}, {after})"
    print(f"{mutant.name:45} {word:12} {mutant.check}", flush=True)
    return caught


def _check(tree: Path, node: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "", node]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, timeout=CHECK_S, check=False
        )
    except subprocess.TimeoutExpired:
        return TOO_LONG
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
