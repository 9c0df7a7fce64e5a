"""Secrets and signatures of deliveries, without a server."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from starlette.datastructures import Headers

from service.senders import TOLERANCE_S, Sender, Senders
from workers.errors import Misconfigured
from workers.hook_secrets import own_signing, own_token

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
    assert (senders().by_secret(given) == Sender()) is known


def test_an_empty_secret_is_never_known() -> None:
    """No header, and nothing configured, let nobody in."""
    assert Senders((), ()).by_secret(Headers()) is None
    assert Senders((), ()).by_secret(Headers({"x-gitlab-token": ""})) is None
    assert not Senders((), ()).may_be_signed(headers(OLD), NOW)
    assert Senders((), ()).by_signature(headers(OLD), BODY) is None


def test_every_active_signing_token_verifies() -> None:
    """Rotating on our side: old and new are taken, another is not."""
    now = int(datetime.now(UTC).timestamp())
    active = senders(NEW, OLD)
    assert active.by_signature(headers(OLD, now), BODY) == Sender()
    assert active.by_signature(headers(NEW, now), BODY) == Sender()
    assert active.by_signature(headers(OTHER, now), BODY) is None
    assert senders(NEW).by_signature(headers(OLD, now), BODY) is None


SECRETS = tuple(SecretStr(f"the-{name}-secret-of-it") for name in ("new", "old", "other"))


def test_a_projects_own_secret_names_its_project() -> None:
    """Of every active secret; of no other one, for no other project, and in one spelling only."""
    new, old, other = (own_token(secret, 7) for secret in SECRETS)
    for token in (new, old):
        assert senders().by_secret(Headers(raw=[(b"x-gitlab-token", token)])) == Sender(7)
    wrong = [other, new[:-1], new + b"A", b"p8" + new[2:], b"p07" + new[2:], b"p" + new, new[3:]]
    for token in [*wrong, new.swapcase(), b"p7." + b"A" * 43, own_token(SECRETS[0], 0)]:
        assert senders().by_secret(Headers(raw=[(b"x-gitlab-token", token)])) is None
    assert Sender(7).speaks_for(7) and not Sender(7).speaks_for(8) and Sender().speaks_for(8)
    assert not any(secret.get_secret_value().encode() in new for secret in SECRETS)


def test_a_projects_own_signature_names_its_project() -> None:
    """Found by what the token claims, which may be out of date; a claim alone proves nothing."""
    now = int(datetime.now(UTC).timestamp())
    key = own_signing(SecretStr(NEW), 7).get_secret_value()
    stale = {"x-gitlab-token": own_token(SECRETS[2], 7).decode()}
    given = Headers({**headers(key, now), **stale})
    assert senders(OLD, NEW).by_signature(given, BODY) == Sender(7)
    assert senders(OLD).by_signature(given, BODY) is None
    assert senders(NEW).by_signature(given, BODY + b" ") is None
    assert senders(NEW).by_signature(headers(key, now), BODY) is None
    elsewhere = {"x-gitlab-token": own_token(SECRETS[2], 8).decode()}
    assert senders(NEW).by_signature(Headers({**headers(key, now), **elsewhere}), BODY) is None


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
    assert senders(NEW).by_signature(headers(NEW, now), b"\xff\xfe") is None


@pytest.mark.parametrize("token", ["whsec_", "whsec_=", "whsec_\u00e9"])
def test_a_token_that_is_no_key_stops_the_start(token: str) -> None:
    """The message names the setting, never the value."""
    with pytest.raises(Misconfigured, match="GITLAB_SIGNING_TOKEN") as caught:
        senders(token)
    assert token.removeprefix("whsec_") not in str(caught.value) or token == "whsec_"


def test_nothing_shows_a_secret() -> None:
    """Neither a representation nor an error."""
    assert "secret-of-it" not in repr(senders(NEW)) and NEW not in repr(senders(NEW))
