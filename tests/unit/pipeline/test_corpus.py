"""Real shapes of repositories: whatever detection says of them, the files may be committed."""

from __future__ import annotations

import pytest

from tests.golden.stacks import NEXUS
from tests.support import corpus
from workers.detect import detect
from workers.pipeline import lint, policy
from workers.pipeline.plan import build
from workers.pipeline.render import render
from workers.pipeline.templates import Templates

TEMPLATES = Templates.load()
EVERY = 8
"""One in so many samples: each ecosystem several times, in a few seconds."""


@pytest.mark.parametrize("sample", corpus.samples()[::EVERY], ids=lambda sample: sample.name)
def test_files_of_a_repository_may_be_committed(sample: corpus.Sample) -> None:
    """No violation of the policy, no error and no unexpected warning of the linter."""
    analysis = detect(sample.source())
    template, _ = TEMPLATES.best(analysis.language, analysis.framework)
    plan = build(template, analysis, NEXUS)
    files = render(plan)
    report = lint.check(files[".gitlab-ci.yml"])
    assert policy.check(plan, files) == []
    assert report.errors == ()
    assert [w for w in report.warnings if w.code != "undefined-variable"] == []
