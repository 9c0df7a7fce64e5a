"""Logs: whatever is logged, and however, no token of GitLab's is in the line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from workers import logs
from workers.settings import Settings

CORE = "x1Yz_CANARY-0123456789"
TOKENS = (
    f"glpat-{CORE}",
    "glpat-bzoxCzpsbmRzCnA6YgpvOjEKdToxCANARY.01.0z1abcdef",  # routable
    f"gldt-{CORE}", f"glrt-{CORE}", f"glrt-t1_{CORE}", "glrt-dDoxCnU6MQpwOjEKCANARY.01.121abcdef",
    f"glrtr-{CORE}", f"glcbt-{CORE}", f"glcbt-64_{CORE}", f"glptt-{CORE}", f"glft-{CORE}",
    f"glsoat-{CORE}", f"gloas-{CORE}", f"glagent-{CORE}", f"glimt-{CORE}", f"glffct-{CORE}",
    f"glwt-{CORE}", f"GR1348941{CORE}", "whsec_Q0FOQVJZLWtleS1vZi0zMi1ieXRlcy4u+/CANARY=",
    f"p42.{CORE}{'x' * 21}",
)  # fmt: skip
"""One of each shape in GitLab's docs, "Token overview", and of our webhooks; CANARY in each."""
AROUND = (
    "{}", "the token {} was refused", "a={},b", "\"{}\"", "[{}]", "({})", "<{}>",
    "https://gitlab.example/api?private_token={}&a=b", "https://oauth2:{}@gitlab.example/x.git",
    "Authorization: Bearer {}", "PRIVATE-TOKEN: {}", "x\n{}\ny", "{}\u200b", "token\t{}.",
)  # fmt: skip


@pytest.mark.parametrize("token", TOKENS)
def test_no_shape_of_token_passes(token: str) -> None:
    """In a sentence, a header, an address, a list, at a line's end."""
    for around in AROUND:
        shown = logs.redact(around.format(token))
        assert "CANARY" not in shown and "[redacted]" in shown


@pytest.mark.parametrize(
    "text",
    [
        "devops-backend learned list", "glossary-of-terms", "pipeline 12 is success", "go 1.23.4",
        "registry.example:5001/apm-repo/demo", "https://gitlab.example/a/b/-/merge_requests/1",
        "3f786850e387550fdab836ed7e6dc881de23001b", "the bearer of it", "english-",
    ],
)  # fmt: skip
def test_what_is_no_token_stays(text: str) -> None:
    """Names, commits, addresses, versions."""
    assert logs.redact(text) == text


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """The test may configure logging: afterwards all is as before."""
    handlers, level = logging.root.handlers[:], logging.root.level
    configured = structlog.get_config()
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.configure(**configured)
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("token", TOKENS)
def test_every_way_of_logging_is_covered(
    token: str, logging_as_it_was: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Messages, values, keys, nesting, errors, bytes, tracebacks; ours and any library's."""
    logs.configure(Settings.load(_env_file=None, log_format="json"), name="test")
    ours, library = structlog.get_logger("ours"), logging.getLogger("library")
    ours.warning(f"refused {token}")
    ours.warning("refused %s", token)
    ours.warning("refused", token=token, error=ValueError(token), raw=token.encode(), seen={token})
    ours.warning("refused", deep={"a": [{"b": (token, {token: 1})}]}, count=1, none=None, yes=True)
    library.warning("refused %s", token)
    try:
        raise RuntimeError(f"https://oauth2:{token}@gitlab.example")
    except RuntimeError:
        ours.exception("broke")
        library.exception("broke")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7 and "CANARY" not in "".join(lines)
    written = [json.loads(line) for line in lines]
    assert written[3]["count"] == 1 and written[3]["none"] is None and written[3]["yes"] is True
    assert all("[redacted]" in line for line in lines)
