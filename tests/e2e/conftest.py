"""One running program for all tests of the loop, each with projects of its own; a browser for the
tests of pages, and the stories that these show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.stories import Story
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def story(redis_client: redis.Redis) -> Story:
    """Projects, runs and deliveries written straight into an empty Redis."""
    return Story(redis_client)
