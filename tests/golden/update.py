"""Rewrites the golden files and the README's example: `python -m tests.golden.update`.

Read the diff before committing.
"""

from __future__ import annotations

from pathlib import Path

from tests.golden.readme import README, rewritten
from tests.golden.stacks import STACKS, plan_of
from workers.pipeline.render import render
from workers.pipeline.templates import Templates

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    templates = Templates.load()
    for name in STACKS:
        folder = FOLDER / name
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for path, text in render(plan_of(name, templates)).items():
            (folder / path).write_text(text)
    README.write_text(rewritten(README.read_text()))


if __name__ == "__main__":
    main()
