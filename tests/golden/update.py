"""Rewrites the golden files: `python -m tests.golden.update`. Read the diff before committing."""

from __future__ import annotations

from pathlib import Path

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


if __name__ == "__main__":
    main()
