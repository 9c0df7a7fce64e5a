"""A sandbox GitLab for each module: as the program's client sees it, or by its bare API."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.gitlab import Instance, RunningSandbox, quiet, running_sandbox, sandbox


@pytest.fixture(scope="module")
def server() -> Iterator[Instance]:
    """In a process of its own."""
    with sandbox() as instance:
        yield instance


@pytest.fixture
def at(server: Instance) -> Instance:
    """The same without faults and calls of another test, its switches as at the start."""
    return quiet(server)


@pytest.fixture(scope="module")
def lab() -> Iterator[RunningSandbox]:
    """In a thread of this process."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def api(lab: RunningSandbox) -> Iterator[httpx.Client]:
    """The bot at the lab's API."""
    with lab.api() as client:
        yield client
