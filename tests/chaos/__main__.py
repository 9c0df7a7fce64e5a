"""`python -m tests.chaos`: the flagship at full size, or at the size that is asked for; `--soak
MINUTES` instead: steady traffic, a kill a minute, and what grows."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos import soak
from tests.chaos.flagship import Options, Report, run
from tests.chaos.killer import TARGETS


def main() -> int:
    """Runs one trial; 1 where a promise did not hold."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--projects", type=int, default=usual.projects)
    parser.add_argument("--deliveries", type=int, default=usual.deliveries)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="time to send them in")
    parser.add_argument("--every", type=float, default=usual.every, help="seconds between kills")
    parser.add_argument("--more", action="store_true", help="kill Chroma and the supervisor too")
    parser.add_argument("--folder", type=Path, help="where logs and data stay; default: a new one")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="the soak instead")
    given = vars(parser.parse_args())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running
    folder = given.pop("folder") or Path(tempfile.mkdtemp(prefix="chaos-"))
    more = ("chroma", "program") if given.pop("more") else ()
    minutes = given.pop("soak")
    report: Report | soak.Soak
    if minutes:
        report = soak.run(minutes, given["seed"], folder)
    else:
        report = run(Options(**given, targets=TARGETS + more), folder)
    print(report.text())
    print(f"logs and data: {folder}")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
