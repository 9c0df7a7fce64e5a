"""Logging: one JSON object a line, or text on a terminal; tokens never pass."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from workers.settings import Settings

TOKEN = re.compile(
    # Routable tokens hold dots: `glpat-<payload>.<length>.<checksum>`.
    r"gl(?:pat|dt|rtr?|cbt|ptt|ft|soat|oas|agent|imt|ffct|wt)-[-_A-Za-z0-9./+=]+"
    r"|whsec_[-_A-Za-z0-9/+=]+|GR1348941[-_A-Za-z0-9]{8,}|\bp[0-9]{1,16}\.[-_A-Za-z0-9]{43}"
    r"|(?i:bearer|private-token:?|job-token:?|x-gitlab-token:?)\s+[-_A-Za-z0-9./+=]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?i:(?<=private_token=)|(?<=access_token=)|(?<=job_token=))[^&\s\"']+"
)
"""GitLab's token shapes (GitLab docs, "Token overview"), secrets of projects' webhooks, headers and
parameters that hold one, passwords in addresses."""


def redact(text: str) -> str:
    """`text` with everything that looks like a token taken out."""
    return TOKEN.sub("[redacted]", text)


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(name)): _redact(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(inner) for inner in value]
    # Errors, bytes, structs would be written as their repr: that is a text as well.
    return value if value is None or isinstance(value, int | float) else redact(repr(value))


def _redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: _redact(value) for name, value in event.items()}


def configure(settings: Settings | None, *, name: str) -> None:
    """Send this process's logs, the libraries' included, to stderr. Call at start; without
    settings: warnings as text, as a command prints them before it has read any."""
    level = settings.log_level if settings else "warning"
    form = settings.log_format if settings else "text"
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=colour)
        if text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level.upper())
    # Their lines at info are about every request and every job; ours say the same, once.
    for noisy in (
        "httpx",
        "httpcore",
        "rq.worker",
        "uvicorn.access",
        "uvicorn.error",
        "chromadb",
        "opentelemetry",
    ):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.root.level))
    structlog.contextvars.bind_contextvars(process=name)
