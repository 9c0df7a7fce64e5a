"""One running program for all tests of the loop; each takes projects of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.world import World, world


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything up with the settings that users have."""
    with world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture
def running(shared_world: World) -> Iterator[World]:
    """The running program; the sandbox without faults and calls of another test."""
    shared_world.forge.clear_faults()
    shared_world.forge.forget_calls()
    yield shared_world
    shared_world.forge.clear_faults()
