"""Keys, roles and sessions, without a server."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from starlette.requests import Request as AnyRequest

from service import lockout
from service.keys import SESSION_S, Keys, Role, Session
from service.routes import ROLES
from tests.support.keys import KEY
from workers.kept import hashed
from workers.seal import derived

TOKENS = ("read:a-token-that-reads", "operate:a-token-that-works", "a-token-that-may-all")


def keys(*tokens: str, key: SecretStr = KEY) -> Keys:
    return Keys([SecretStr(token) for token in tokens], key, secure=False)


def role_of(made: Keys, token: str) -> Role | None:
    caller = made.caller(token)
    return caller.role if caller else None


@pytest.mark.parametrize(
    ("token", "role"),
    [
        ("a-token-that-reads", Role.READ), ("a-token-that-works", Role.OPERATE),
        ("a-token-that-may-all", Role.ADMIN), ("read:a-token-that-reads", None), ("", None),
        ("a-token-that-reads ", None), ("A-TOKEN-THAT-READS", None), ("\udcff", None),
        ("admin:a-token-that-reads", None), ("a-token-that-work", None), ("\u00e9" * 40, None),
    ],
)  # fmt: skip
def test_a_token_has_the_role_before_it(token: str, role: Role | None) -> None:
    """Without one it may all; the role is no part of what is sent."""
    assert role_of(keys(*TOKENS), token) is role
    hashes = [f"{name}:{hashed(rest)}" for name, _, rest in (t.rpartition(":") for t in TOKENS)]
    hashes = [text.removeprefix(":") for text in hashes]
    assert role_of(keys(*hashes), token) is role, "the same, where the settings hold hashes"


def test_a_colon_alone_is_no_role() -> None:
    """Only the three names are roles; every other token is taken as it is."""
    odd = keys("root:a-token-with-a-colon", "read:", ":::::::::::::::::")
    assert role_of(odd, "root:a-token-with-a-colon") is Role.ADMIN
    assert role_of(odd, "a-token-with-a-colon") is None
    assert role_of(odd, "") is None
    assert role_of(odd, ":::::::::::::::::") is Role.ADMIN


def test_what_needs_which_role() -> None:
    """Looking reads, acting operates, forgetting is for administrators."""
    assert ROLES == {"GET": Role.READ, "POST": Role.OPERATE, "DELETE": Role.ADMIN}
    assert Role.READ < Role.OPERATE < Role.ADMIN


def test_nothing_of_a_token_is_kept() -> None:
    """Digests only, here and in a session's cookie."""
    kept = keys(*TOKENS)
    cookie = kept.new_session("a-token-that-works")
    assert cookie is not None
    for text in (repr(kept.__dict__), cookie):
        assert "a-token" not in text


def test_a_session_has_its_tokens_role_and_ends_with_it() -> None:
    """Taking the token out of the settings ends its sessions, and no other's."""
    cookie = keys(*TOKENS).new_session("a-token-that-works")
    assert cookie is not None
    again = keys(*TOKENS).session(cookie)
    assert again is not None and again.role is Role.OPERATE
    assert keys(*TOKENS[:1]).session(cookie) is None
    assert keys("operate:another-token-that-works").session(cookie) is None
    assert keys(*TOKENS).new_session("no-token-at-all") is None


def test_sessions_differ_and_so_do_their_form_tokens() -> None:
    """Two sessions of one token are two."""
    made = keys(*TOKENS)
    cookies = [made.new_session("a-token-that-reads") or "" for _ in range(2)]
    sessions = [made.session(cookie) for cookie in cookies]
    assert cookies[0] != cookies[1]
    assert all(isinstance(session, Session) for session in sessions)
    assert len({session.csrf for session in sessions if session}) == 2


def test_a_session_is_over_after_its_time() -> None:
    """Twelve hours, by the time that is sealed in the cookie."""
    made = keys(*TOKENS)
    cookie = made.new_session("a-token-that-reads") or ""
    assert made.session(cookie, time.time() + SESSION_S - 5) is not None
    assert made.session(cookie, time.time() + SESSION_S + 5) is None


def test_who_reads_the_data_folder_can_make_no_session() -> None:
    """Neither the key nor the hash, nor both, nor the hash as a token, opens anything."""
    made = keys(*TOKENS)
    digest = hashed("a-token-that-may-all")
    assert made.caller(digest) is None and made.new_session(digest) is None
    box = Fernet(base64.urlsafe_b64encode(derived(KEY, "devops-backend dashboard sessions")))
    for known in (bytes.fromhex(digest.removeprefix("hashed:")), digest.encode(), b"", b"x" * 32):
        assert made.session(box.encrypt(known + bytes(16)).decode().rstrip("=")) is None


def test_a_cookie_of_another_key_is_none() -> None:
    """As after the key was changed: all sign in again."""
    cookie = keys(*TOKENS).new_session("a-token-that-reads") or ""
    assert keys(*TOKENS, key=SecretStr("another-key-0123456789-0123456789")).session(cookie) is None
    for wrong in ("", "=", "\udcff", "é" * 50, cookie[:-3], cookie[::-1], cookie + "AAAA"):
        assert keys(*TOKENS).session(wrong) is None


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"), ("not an address", "not an address"),
        ("::1", "::"),
    ],
)  # fmt: skip
def test_guessing_is_counted_by_subscriber(host: str, counted: str) -> None:
    """An IPv6 subscriber has a /64 of addresses to guess from."""
    scope = {"type": "http", "client": (host, 1), "headers": []}
    assert lockout.address(AnyRequest(scope)) == counted


@pytest.mark.parametrize(
    ("host", "header", "here"),
    [
        ("127.0.0.1", "", True), ("127.9.9.9", "", True), ("::1", "", True),
        ("10.0.0.1", "", False),
        ("127.0.0.1", "x-forwarded-for", False), ("127.0.0.1", "forwarded", False),
        ("evil", "", False), ("0.0.0.0", "", False),
    ],
)  # fmt: skip
def test_who_is_on_this_machine(host: str, header: str, here: bool) -> None:
    """Loopback, unless a proxy speaks for somebody else."""
    headers = [(header.encode(), b"127.0.0.1")] if header else []
    scope = {"type": "http", "client": (host, 1), "headers": headers}
    assert lockout.is_loopback(AnyRequest(scope)) is here
