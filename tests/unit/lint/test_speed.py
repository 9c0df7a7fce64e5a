"""The validator is quick enough to be used at every turn."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from workers.pipeline.lint import check
from workers.pipeline.lint.schema import compiled

SUITE = Path(__file__).parents[2] / "samples" / "ci" / "suite"
NORMAL_SECONDS = 0.1


def test_a_normal_file_takes_less_than_a_tenth_of_a_second() -> None:
    """The longest file of GitLab's suite, with the schema compiled; CPU time, best of three."""
    compiled()
    text = (SUITE / "positive/json/gitlab-ci.yml").read_text()
    spent = []
    for _ in range(3):
        started = time.process_time()
        check(text)
        spent.append(time.process_time() - started)
    assert min(spent) < NORMAL_SECONDS


def test_nothing_is_read_or_compiled_at_import() -> None:
    """Importing the package leaves the schema and the list of variables on the disk."""
    code = (
        "import workers.pipeline.lint as lint\n"
        "from workers.pipeline.lint import schema, undefined\n"
        "print(schema.compiled.cache_info().currsize, undefined.predefined.cache_info().currsize)\n"
        "lint.check('a: {script: [x]}')\n"
        "print(schema.compiled.cache_info().currsize)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "1"]
