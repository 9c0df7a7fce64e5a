"""The budget of commits in all: tripped visibly, reset by a person."""

from __future__ import annotations

import threading

import httpx
import pytest
import redis

from tests.support.service import API_TOKEN, running_service
from workers.embedded import EmbeddedRedis
from workers.store.budget import COMMITS, HOUR_MS, TRIPPED, Budget
from workers.store.deliveries import now_ms


def test_each_run_counts_once_and_the_limit_holds(redis_client: redis.Redis) -> None:
    """A run that tries again commits again on the same account; above the limit none does."""
    budget = Budget(redis_client, 3)
    assert all(budget.spend(f"run-{number % 3}") for number in range(9))
    assert budget.state().spent == 3 and budget.state().state == "ok"
    assert not budget.spend("run-3")
    assert budget.spend("run-0"), "its commit is counted already"
    state = budget.state()
    assert (state.state, state.spent) == ("tripped", 3) and state.tripped_at


def test_an_hour_explains_nothing(redis_client: redis.Redis) -> None:
    """The window moves on by itself; once tripped, only a person lets commits go on."""
    budget = Budget(redis_client, 2)
    redis_client.zadd(COMMITS, {"old-1": now_ms() - HOUR_MS - 1, "old-2": now_ms() - HOUR_MS - 1})
    assert budget.spend("run-1") and budget.spend("run-2") and not budget.spend("run-3")
    redis_client.delete(COMMITS)
    assert not budget.spend("run-4")
    assert budget.reset().state == "ok" and budget.spend("run-4")
    assert not redis_client.exists(TRIPPED)


def test_many_workers_at_once(redis_client: redis.Redis, redis_server: EmbeddedRedis) -> None:
    """The account may be overdrawn by those that look at the same moment, and by no more."""
    done: list[bool] = []

    def spend(worker: int) -> None:
        with redis.Redis.from_url(redis_server.url) as client:
            mine = Budget(client, 20)
            done.extend(mine.spend(f"{worker}-{number}") for number in range(10))

    threads = [threading.Thread(target=spend, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 20 <= sum(done) <= 28 and Budget(redis_client, 20).state().state == "tripped"


@pytest.mark.parametrize("way", ["api", "dashboard"])
def test_it_is_seen_and_reset(
    way: str, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Health is degraded and says so, metrics and dashboard show it; a person resets it."""
    budget = Budget(redis_client, 1)
    with running_service(redis_server.url, commits_per_hour=1) as service:
        assert budget.spend("run-1") and not budget.spend("run-2")
        health = service.http.get("/health")
        assert health.status_code == 200 and health.json()["status"] == "degraded"
        assert health.json()["budget"]["state"] == "tripped"
        assert service.http.get("/health/ready").status_code == 200
        figures = service.http.get("/metrics").text
        assert "devops_backend_budget_tripped 1.0" in figures
        assert "devops_backend_commits_last_hour 1.0" in figures
        assert service.api("GET", "/api/v1/budget").json()["tripped_at"]
        if way == "api":
            assert service.api("POST", "/api/v1/budget/reset").json()["state"] == "ok"
        else:
            with httpx.Client(
                base_url=service.url, trust_env=False, follow_redirects=True
            ) as browser:
                browser.post("/login", data={"token": API_TOKEN})
                page = browser.get("/status").text
                assert "The budget is spent since" in page
                csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
                browser.post("/budget/reset", data={"csrf": csrf})
        assert budget.spend("run-2")
