"""The words of a stack that may leave its project: into learned records and vectors."""

from __future__ import annotations

import re

from workers.detect.analysis import Analysis

_WORD = re.compile(
    r"version:[0-9]{1,4}(\.[0-9]{1,4}){0,3}|(?!version:)[a-z]{2,12}:[a-z0-9@][a-z0-9@/.+_-]{0,39}"
)


def features(analysis: Analysis) -> tuple[str, ...]:
    """The analysis' words (`test:pytest`), which detection takes from its own tables, as far as
    they look like it: what is learned from one project is offered to others, so a mistake there
    must not carry prose, paths with blanks, or long strings along."""
    return tuple(word for word in analysis.features if _WORD.fullmatch(word))
