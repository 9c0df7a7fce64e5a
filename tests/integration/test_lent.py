"""Tokens that callers lend: encrypted in Redis, nowhere else, gone with the run, never too old."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from cryptography.fernet import Fernet
from pydantic import SecretStr

from tests.support.keys import KEY
from tests.support.service import CALLER_TOKEN, Running, running_service
from workers.embedded import EmbeddedRedis
from workers.errors import Denied
from workers.run import carry_out
from workers.runs import END, Commit, Options, Project, State, new_run
from workers.seal import derived
from workers.settle import settle_project
from workers.store.lent import GONE, LENT_S, Lent
from workers.store.runs import RunStore
from workers.wiring import Parts

TOKEN = SecretStr(CALLER_TOKEN)


@pytest.fixture
def lent(redis_client: redis.Redis) -> Lent:
    """Lent tokens in an empty Redis."""
    return Lent(redis_client, KEY)


@pytest.fixture
def service(redis_server: EmbeddedRedis, redis_client: redis.Redis) -> Iterator[Running]:
    """A service whose own token may not see the project; the caller's may write to it."""
    with running_service(redis_server.url) as running:
        running.gitlab.levels = {CALLER_TOKEN: 30}
        yield running


def _ask(service: Running, **more: Any) -> Any:
    body = {"repo_url": f"{service.settings.gitlab_url}/shop/api", "gitlab_token": CALLER_TOKEN}
    return service.http.post("/api/v1/pipeline/workflow", json=body | more)


def _handles(redis_client: redis.Redis) -> list[bytes]:
    return list(redis_client.scan_iter("dob:lent:*"))


def test_a_lent_token_comes_back_for_its_project(lent: Lent, redis_client: redis.Redis) -> None:
    """As it was; Redis holds neither it nor its base64, and forgets it by itself."""
    handle = lent.lend(TOKEN, 42)
    assert lent.borrow(handle, 42) == TOKEN
    (key,) = _handles(redis_client)
    raw = redis_client.get(key)
    assert isinstance(raw, bytes)
    for hidden in (CALLER_TOKEN.encode(), base64.b64encode(CALLER_TOKEN.encode())):
        assert hidden not in raw and hidden not in base64.urlsafe_b64decode(raw)
    assert 0 < int(redis_client.ttl(key)) <= LENT_S
    lent.drop(handle)
    with pytest.raises(Denied, match="gone or too old"):
        lent.borrow(handle, 42)


def test_a_handle_opens_nothing_else(lent: Lent, redis_client: redis.Redis) -> None:
    """Not for another project, not altered, not with another key; no error holds the token."""
    handle = lent.lend(TOKEN, 42)
    other = Lent(redis_client, SecretStr("another-key-0123456789-0123456789"))
    wrong_uses = ((lent, handle, 43), (other, handle, 42), (lent, "", 42), (lent, "no-such", 42))
    for asked, name, project in wrong_uses:
        with pytest.raises(Denied) as refused:
            asked.borrow(name, project)
        assert CALLER_TOKEN not in str(refused.value)
    raw = redis_client.get(f"dob:lent:{handle}")
    assert isinstance(raw, bytes)
    for wrong in (raw[:-4], raw[:20] + b"AAAA" + raw[24:], b"", b"\xff", CALLER_TOKEN.encode()):
        redis_client.set(f"dob:lent:{handle}", wrong)
        with pytest.raises(Denied):
            lent.borrow(handle, 42)


def test_too_old_is_gone_although_redis_kept_it(lent: Lent, redis_client: redis.Redis) -> None:
    """Its age is under the signature: taking the expiry off its key makes it no younger."""
    box = Fernet(base64.urlsafe_b64encode(derived(KEY, "devops-backend lent tokens")))
    loan = msgspec.json.encode([42, CALLER_TOKEN])
    for age, old in ((LENT_S - 60, False), (LENT_S + 1, True)):
        redis_client.set("dob:lent:h", box.encrypt_at_time(loan, int(time.time()) - age))
        if old:
            with pytest.raises(Denied, match="ask again with a new one"):
                lent.borrow("h", 42)
        else:
            assert lent.borrow("h", 42) == TOKEN


def test_where_ours_cannot_work_theirs_is_lent_to_the_run(
    service: Running, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The run's parts speak to GitLab with it; no key, run, job or log holds it in the clear."""
    answer = _ask(service)
    assert answer.status_code == 202
    run = RunStore(redis_client).get(answer.json()["id"])
    parts = Parts(service.settings)
    assert parts.for_run(run) is not parts
    service.gitlab.asked.clear()
    assert parts.for_run(run).gitlab.project(42).id == 42
    assert [sent for _, sent in service.gitlab.asked] == [f"Bearer {CALLER_TOKEN}"]
    keys = list(redis_client.scan_iter())
    assert len(_handles(redis_client)) == 1 and any(b"rq:job" in key for key in keys)
    for key in keys:
        assert CALLER_TOKEN.encode() not in (redis_client.dump(key) or b"")
    shown = service.api("GET", f"/api/v1/runs/{run.id}").text
    assert CALLER_TOKEN not in shown + answer.text + caplog.text + repr(parts.for_run(run).gitlab)


@pytest.mark.parametrize("state", sorted(END))
def test_it_is_gone_when_the_run_ends(
    service: Running, redis_client: redis.Redis, state: State
) -> None:
    """In the same step that writes the end, whatever the end; not before."""
    runs = RunStore(redis_client)
    run_id = _ask(service).json()["id"]
    runs.update(run_id, lambda run: msgspec.structs.replace(run, state=State.COMMITTING))
    assert len(_handles(redis_client)) == 1
    run = runs.update(run_id, lambda run: msgspec.structs.replace(run, state=state))
    assert _handles(redis_client) == []
    with pytest.raises(Denied, match="gone or too old"):
        Parts(service.settings).for_run(run)


def test_a_refused_request_leaves_none(service: Running, redis_client: redis.Redis) -> None:
    """While a run is on its way a second token is dropped, whether the request joins it (202) or
    wants another (409); the first stays."""
    assert _ask(service).status_code == 202
    assert _ask(service).status_code == 202
    assert _ask(service, auto_commit="none").status_code == 409
    assert len(_handles(redis_client)) == 1
    service.gitlab.levels[CALLER_TOKEN] = 20
    assert _ask(service).status_code == 403
    assert _ask(service, branch="a..b").status_code in (403, 422)
    assert len(_handles(redis_client)) == 1


def test_an_api_token_lends_only_where_we_have_none(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """With a bearer token the body's token is used where GITLAB_TOKEN is not set, and else not."""
    for own, count in ((SecretStr("glpat-of-the-service"), 0), (None, 1)):
        redis_client.flushall()
        with running_service(redis_server.url, gitlab_token=own) as service:
            service.gitlab.levels[CALLER_TOKEN] = 30
            url = f"{service.settings.gitlab_url}/shop/api"
            body = {"repo_url": url, "gitlab_token": CALLER_TOKEN}
            assert service.api("POST", "/api/v1/pipeline/workflow", json=body).status_code == 202
            assert len(_handles(redis_client)) == count


def test_a_run_without_a_loan_uses_our_own(redis_server: EmbeddedRedis) -> None:
    """The same parts, nothing made anew."""
    with running_service(redis_server.url) as service:
        parts = Parts(service.settings)
        run = new_run(Project(42, "shop/api"), "push")
        assert parts.for_run(run) is parts
        gone = msgspec.structs.replace(run, options=Options(lent="gone"))
        with pytest.raises(Denied):
            parts.for_run(gone)


def test_a_run_whose_token_is_gone_says_so(service: Running, redis_client: redis.Redis) -> None:
    """Before its commit it ends in error, after it unconfirmed; both name what to do."""
    run_id = _ask(service).json()["id"]
    redis_client.delete(*_handles(redis_client))
    parts = Parts(service.settings)
    ended = carry_out(parts, parts.runs.get(run_id))
    assert (ended.state, ended.reason) == (State.ERROR, f"start: {GONE}")

    second = _ask(service).json()["id"]
    parts.runs.update(second, lambda run: msgspec.structs.replace(
        run, state=State.AWAITING_PIPELINE, commit=Commit("a" * 40, "devops-backend/ci-1"),
    ))  # fmt: skip
    redis_client.delete(*_handles(redis_client))
    parts.ledger.want_poll(42, second)
    settle_project(parts, 42)
    assert (parts.runs.get(second).state, parts.runs.get(second).reason) == (
        State.UNCONFIRMED, GONE,
    )  # fmt: skip
