"""Fixtures only: real servers, one of each per session, empty before each test."""

import structlog
from hypothesis import HealthCheck, settings

from tests.support.stores import chroma_process, chroma_server, redis_client, redis_server

# CI machines stall for a second at a time: how long an example takes says nothing here.
settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("project")

# Not structlog's own print: CPython 3.11 may crash where a thread prints while pytest puts another
# sys.stdout in its place (CPython issue 130163).
structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())

__all__ = ["chroma_process", "chroma_server", "redis_client", "redis_server"]
