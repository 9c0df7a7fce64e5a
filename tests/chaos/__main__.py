"""`python -m tests.chaos`: the flagship at full size, or at the size that is asked for; `--short`:
the size that CI runs, by a new seed each time; `--soak MINUTES` instead: steady traffic, a kill a
minute, and what grows."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from msgspec.structs import replace

from tests.chaos import soak
from tests.chaos.flagship import SHORT, Options, Report, run
from tests.chaos.killer import TARGETS

SIZES = ("projects", "deliveries", "seconds", "every", "late", "loans")


def main() -> int:
    """Runs one trial; 1 where a promise did not hold."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small, and seeded by chance")
    parser.add_argument("--seed", type=int, help=f"default: {usual.seed}")
    parser.add_argument("--projects", type=int)
    parser.add_argument("--deliveries", type=int)
    parser.add_argument("--seconds", type=float, help="time to send them in")
    parser.add_argument("--every", type=float, help="seconds between kills")
    parser.add_argument("--late", type=int, help="commits that are answered late")
    parser.add_argument("--loans", type=int, help="projects that a token is lent for")
    parser.add_argument("--more", action="store_true", help="kill Chroma and the supervisor too")
    parser.add_argument("--folder", type=Path, help="where logs and data stay")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="the soak instead")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running
    chance = random.randrange(10**6) if given.short else usual.seed
    seed = chance if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    report: Report | soak.Soak
    if given.soak:
        report = soak.run(given.soak, seed, folder)
    else:
        asked = {name: value for name in SIZES if (value := getattr(given, name)) is not None}
        targets = TARGETS + (("chroma", "program") if given.more else ())
        report = run(
            replace(SHORT if given.short else usual, seed=seed, targets=targets, **asked), folder
        )
    print(report.text())
    if report.violations or given.folder:
        print(f"logs and data: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
