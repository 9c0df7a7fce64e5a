"""Secrets and signatures of deliveries, without a server."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from starlette.datastructures import Headers

from service.senders import TOLERANCE_S, Senders
from workers.errors import Misconfigured

OLD, NEW, OTHER = (
    "whsec_" + base64.b64encode(f"signing key number {n} of 32 bytes".encode()).decode()
    for n in range(3)
)
NOW = 1_800_000_000
BODY = b'{"event_name":"push"}'


def senders(*signing: str) -> Senders:
    secrets = (SecretStr("the-new-secret-of-it"), SecretStr("the-old-secret-of-it"))
    return Senders(secrets, [SecretStr(token) for token in signing])


def headers(key: str, at: int = NOW, body: bytes = BODY) -> Headers:
    signature = Webhook(key).sign("m", datetime.fromtimestamp(at, UTC), body.decode())
    return Headers(
        {"webhook-id": "m", "webhook-timestamp": str(at), "webhook-signature": signature}
    )


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (b"the-new-secret-of-it", True), (b"the-old-secret-of-it", True), (b"", False),
        (b"the-new-secret-of-i", False), (b"the-new-secret-of-it ", False), (b"\xff" * 20, False),
        (b"the-new-secret-of-it,the-old-secret-of-it", False),
    ],
)  # fmt: skip
def test_secrets_while_rotating(value: bytes, known: bool) -> None:
    """Each active one, whole, byte by byte."""
    given = Headers(raw=[(b"x-gitlab-token", value)])
    assert senders().knows_secret(given) is known


def test_an_empty_secret_is_never_known() -> None:
    """No header, and nothing configured, let nobody in."""
    assert not Senders((), ()).knows_secret(Headers())
    assert not Senders((), ()).knows_secret(Headers({"x-gitlab-token": ""}))
    assert not Senders((), ()).may_be_signed(headers(OLD), NOW)
    assert not Senders((), ()).signed(headers(OLD), BODY)


def test_every_active_signing_token_verifies() -> None:
    """Rotating on our side: old and new are taken, another is not."""
    now = int(datetime.now(UTC).timestamp())
    active = senders(NEW, OLD)
    assert active.signed(headers(OLD, now), BODY)
    assert active.signed(headers(NEW, now), BODY)
    assert not active.signed(headers(OTHER, now), BODY)
    assert not senders(NEW).signed(headers(OLD, now), BODY)


@pytest.mark.parametrize(
    ("age", "recent"),
    [(0, True), (TOLERANCE_S, True), (TOLERANCE_S + 1, False), (-TOLERANCE_S, True),
     (-TOLERANCE_S - 1, False)],
)  # fmt: skip
def test_only_recent_signatures_are_looked_at(age: int, recent: bool) -> None:
    """Five minutes, either way."""
    assert senders(NEW).may_be_signed(headers(NEW, NOW - age), NOW) is recent


def test_bodies_that_are_no_text_are_refused_not_choked_on() -> None:
    """Signed or not, bytes that are no UTF-8 are no delivery of GitLab's."""
    now = int(datetime.now(UTC).timestamp())
    assert not senders(NEW).signed(headers(NEW, now), b"\xff\xfe")


@pytest.mark.parametrize("token", ["whsec_", "whsec_=", "whsec_\u00e9"])
def test_a_token_that_is_no_key_stops_the_start(token: str) -> None:
    """The message names the setting, never the value."""
    with pytest.raises(Misconfigured, match="GITLAB_SIGNING_TOKEN") as caught:
        senders(token)
    assert token.removeprefix("whsec_") not in str(caught.value) or token == "whsec_"


def test_nothing_shows_a_secret() -> None:
    """Neither a representation nor an error."""
    assert "secret-of-it" not in repr(senders(NEW)) and NEW not in repr(senders(NEW))
