"""A caller's own GitLab token carries a run where the service's may not: and leaves no trace."""

from __future__ import annotations

from pathlib import Path

import httpx
import redis
from pydantic import SecretStr

from tests.support.gitlab import BOT_TOKEN
from tests.support.world import world
from workers.store.runs import RunStore


def test_a_run_goes_green_with_a_lent_token(tmp_path: Path) -> None:
    """Commit, merge request and verdict with the caller's token; afterwards neither Redis, its
    files, the logs nor anything else below the data folder holds it."""
    with world(tmp_path, gitlab_token=SecretStr("glpat-of-nobody-0123")) as instance:
        stack = instance.stack.settings
        project = instance.born("lent", sample="python-greeter")
        path = instance.forge.project(project).path
        body = {"repo_url": f"{instance.gitlab_url}/{path}", "gitlab_token": BOT_TOKEN}
        instance.until(lambda: instance.runs(project), lambda: "the push's run")
        own = instance.run(project)
        assert own["state"] == "error" and "gitlab_token" not in own["reason"]

        asked = httpx.post(
            f"{instance.stack.url}/api/v1/pipeline/workflow", json=body, trust_env=False
        )
        assert asked.status_code == 202
        run = instance.run(project, count=2)
        assert run["id"] == asked.json()["id"] and run["state"] == "succeeded"
        assert run["merge_request"] and len(instance.our_commits(project)) == 1

        client = redis.Redis.from_url(str(stack.redis_url))
        assert list(client.scan_iter("dob:lent:*")) == []
        assert RunStore(client).get(run["id"]).options.lent
    held = [
        file for file in tmp_path.rglob("*")
        if file.is_file() and BOT_TOKEN.encode() in file.read_bytes()
    ]  # fmt: skip
    assert held == []
