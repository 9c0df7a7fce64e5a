"""The sandbox's webhooks: who hears what, in which form, and what becomes of failures."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Iterator

import httpx
import pytest
from standardwebhooks import Webhook

from service.sandbox.core import Sandbox, SandboxOptions
from service.sandbox.repository import Author, Change
from tests.support.gitlab import RunningSandbox, running_sandbox
from tests.support.mailbox import Mailbox, mailbox

_numbers = itertools.count(1)
CI = "unit: {script: [go test], artifacts: {reports: {junit: r.xml}}}\n"
SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as made:
        yield made


@pytest.fixture
def lab(box: Mailbox) -> Iterator[RunningSandbox]:
    """A sandbox whose system hook ends in the mailbox."""
    options = SandboxOptions(system_hook=box.url, secret="s3cret", pipeline_seconds=0.1)
    with running_sandbox(options) as running:
        yield running


@pytest.fixture
def api(lab: RunningSandbox) -> Iterator[httpx.Client]:
    with lab.api() as client:
        yield client


def hook(api: httpx.Client, project: int, url: str, **more: object) -> dict[str, object]:
    body = {"url": url, "push_events": True, "pipeline_events": True, **more}
    answer = api.post(f"/projects/{project}/hooks", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_project_s_birth(lab: RunningSandbox, box: Mailbox) -> None:
    """`project_create` comes before there is anything, with GitLab's headers and fields."""
    made = lab.client.create_project("acme/born")
    (letter,) = box.wait("project_create")
    assert set(letter.body) == {
        "created_at", "updated_at", "event_name", "name", "owner_email", "owner_name", "owners",
        "path", "path_with_namespace", "project_id", "project_namespace_id", "project_visibility",
    }  # fmt: skip
    assert letter.body["project_id"] == made.id
    assert letter.headers["x-gitlab-event"] == "System Hook"
    assert letter.headers["x-gitlab-token"] == "s3cret"
    assert letter.headers["x-gitlab-instance"] == lab.url
    assert letter.headers["content-type"] == "application/json"
    for name in ("x-gitlab-event-uuid", "x-gitlab-webhook-uuid", "idempotency-key"):
        assert letter.headers[name]
    assert "webhook-signature" not in letter.headers


def test_the_rest_of_a_project_s_life(lab: RunningSandbox, box: Mailbox) -> None:
    """Renamed, transferred, destroyed: each with the former path where there is one."""
    made = lab.client.create_project("acme/life")
    lab.client.change_project(made.id, path="acme/renamed")
    (letter,) = box.wait("project_rename")
    assert letter.body["old_path_with_namespace"] == "acme/life"
    lab.client.change_project(made.id, path="other/renamed")
    (letter,) = box.wait("project_transfer")
    assert letter.body["path_with_namespace"] == "other/renamed"
    lab.client.delete_project(made.id)
    assert box.wait("project_destroy")[0].body["project_id"] == made.id


def test_a_push(lab: RunningSandbox, api: httpx.Client, box: Mailbox) -> None:
    """`repository_update` to the instance, a Push Hook to the project; `before` is zeros."""
    made = lab.client.create_project("acme/pushed")
    hook(api, made.id, box.url, token="own")
    sha = lab.client.push(made.id, {"a": "1"}, message="First\n\nmore")
    (update,) = box.wait("repository_update")
    assert update.body["refs"] == ["refs/heads/main"]
    assert update.body["changes"] == [{"before": "0" * 40, "after": sha, "ref": "refs/heads/main"}]
    (letter,) = box.wait("push")
    body = letter.body
    assert letter.headers["x-gitlab-event"] == "Push Hook"
    assert letter.headers["x-gitlab-token"] == "own"
    assert (body["object_kind"], body["after"], body["checkout_sha"]) == ("push", sha, sha)
    assert (body["total_commits_count"], body["commits"][0]["added"]) == (1, ["a"])
    assert body["project"]["path_with_namespace"] == "acme/pushed"
    assert body["user_username"] == "dev" and body["ref_protected"] is True


def test_our_own_commit_fires_too(lab: RunningSandbox, api: httpx.Client, box: Mailbox) -> None:
    """A commit through the API is a push by the bot; removing the branch is one as well."""
    made = lab.client.create_project("acme/echo", files={"a": "1"})
    hook(api, made.id, box.url)
    action = {"action": "create", "file_path": "b", "content": "2"}
    body = {"branch": "bot/1", "start_branch": "main", "commit_message": "x", "actions": [action]}
    api.post(f"/projects/{made.id}/repository/commits", json=body)
    (letter,) = box.wait("push")
    assert letter.body["user_username"] == "devops-backend"
    assert letter.body["ref"] == "refs/heads/bot/1"
    api.delete(f"/projects/{made.id}/repository/branches/bot%2F1")
    gone = box.wait("push", 2)[1].body
    assert (gone["after"], gone["checkout_sha"]) == ("0" * 40, None)


def test_a_pipeline_tells_each_state(lab: RunningSandbox, api: httpx.Client, box: Mailbox) -> None:
    """Pending, running, success; the last one with its jobs and their durations."""
    made = lab.client.create_project("acme/states")
    hook(api, made.id, box.url)
    sha = lab.client.push(made.id, {".gitlab-ci.yml": CI})
    (letter,) = box.wait("pipeline:success")
    box.wait("pipeline:pending")
    box.wait("pipeline:running")
    body = letter.body
    assert letter.headers["x-gitlab-event"] == "Pipeline Hook"
    assert set(body) == {
        "object_kind", "object_attributes", "merge_request", "user", "project", "commit", "builds",
    }  # fmt: skip
    attributes = body["object_attributes"]
    assert set(attributes) >= {
        "id", "iid", "ref", "tag", "sha", "before_sha", "source", "status", "detailed_status",
        "stages", "created_at", "finished_at", "duration", "queued_duration", "variables", "url",
    }  # fmt: skip
    assert (attributes["sha"], attributes["source"], attributes["ref"]) == (sha, "push", "main")
    assert body["builds"][0]["name"] == "unit" and body["builds"][0]["duration"] > 0
    assert body["commit"]["id"] == sha


def test_a_flaky_pipeline_changes_its_mind(
    lab: RunningSandbox, api: httpx.Client, box: Mailbox
) -> None:
    """Failed is told, then running and success under the same id, after a retry."""
    made = lab.client.create_project("acme/flaky")
    lab.client.set_outcome(made.id, "flaky")
    hook(api, made.id, box.url, push_events=False)
    lab.client.push(made.id, {".gitlab-ci.yml": CI})
    (failed,) = box.wait("pipeline:failed")
    (success,) = box.wait("pipeline:success")
    assert failed.body["builds"][0]["failure_reason"] == "script_failure"
    assert success.body["object_attributes"]["id"] == failed.body["object_attributes"]["id"]
    assert len(success.body["builds"]) == 1


def test_a_merge_request_s_pipeline_says_so(
    lab: RunningSandbox, api: httpx.Client, box: Mailbox
) -> None:
    """`merge_request` is there, `ref` is the source branch, and the source tells it apart."""
    made = lab.client.create_project("acme/detached", files={"a": "1"})
    rules = "workflow: {rules: [{if: $CI_PIPELINE_SOURCE == 'merge_request_event'}]}\n"
    lab.client.push(made.id, {".gitlab-ci.yml": rules + CI}, branch="bot")
    hook(api, made.id, box.url, push_events=False)
    request = {"source_branch": "bot", "target_branch": "main", "title": "Draft: x"}
    api.post(f"/projects/{made.id}/merge_requests", json=request)
    (letter,) = box.wait("pipeline:success")
    assert letter.body["merge_request"]["iid"] == 1
    attributes = letter.body["object_attributes"]
    assert (attributes["ref"], attributes["source"]) == ("bot", "merge_request_event")


def test_a_signed_hook(lab: RunningSandbox, api: httpx.Client, box: Mailbox) -> None:
    """A signing token gives Standard Webhooks headers that its own library verifies."""
    made = lab.client.create_project("acme/signed")
    shown = hook(api, made.id, box.url, signing_token=SIGNING, pipeline_events=False)
    assert shown["signing_token_present"] is True and SIGNING not in str(shown)
    lab.client.push(made.id, {"a": "1"})
    (letter,) = box.wait("push")
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    Webhook(SIGNING).verify(letter.raw, {name: letter.headers[name] for name in names})
    assert letter.headers["webhook-id"] == letter.headers["idempotency-key"]


def test_an_older_gitlab_ignores_signing_tokens(
    lab: RunningSandbox, api: httpx.Client, box: Mailbox
) -> None:
    """With the switch off the token is taken without a word and not used."""
    lab.client.set_switches(signing_tokens=False)
    made = lab.client.create_project("acme/unsigned")
    assert hook(api, made.id, box.url, signing_token=SIGNING)["signing_token_present"] is False


def test_hooks_are_managed(lab: RunningSandbox, api: httpx.Client, box: Mailbox) -> None:
    """Listed without tokens; another address forgets the token; removed; Developers are refused."""
    made = lab.client.create_project("acme/managed", files={"a": "1"})
    number = hook(api, made.id, box.url, token="t")["id"]
    url = f"/projects/{made.id}/hooks/{number}"
    assert api.get(url).json()["token_present"] is True
    assert api.put(url, json={"push_events": False}).status_code == 400
    same = api.put(url, json={"url": box.url, "push_events": False}).json()
    assert (same["push_events"], same["token_present"]) == (False, True)
    other = api.put(url, json={"url": f"{box.url}/other"}).json()
    assert other["token_present"] is False
    with lab.member(made.id, "developer", 30) as developer:
        assert developer.get(f"/projects/{made.id}/hooks").status_code == 403
    assert api.delete(url).status_code == 204
    assert api.get(f"/projects/{made.id}/hooks").json() == []


def test_local_addresses_can_be_forbidden(
    lab: RunningSandbox, api: httpx.Client, box: Mailbox
) -> None:
    """422 in GitLab's words for project hooks; system hooks may still be local."""
    lab.client.set_switches(local_requests=False)
    made = lab.client.create_project("acme/guarded")
    for url in (box.url, "http://localhost/x", "http://192.168.1.9/x", "ftp://example.com", "x"):
        refused = api.post(f"/projects/{made.id}/hooks", json={"url": url})
        assert (refused.status_code, refused.json()) == (422, {"error": "Invalid url given"}), url
    with lab.api(lab.admin_token) as admin:
        assert admin.post("/hooks", json={"url": box.url}).status_code == 201


def test_system_hooks_are_the_administrator_s(
    lab: RunningSandbox, api: httpx.Client, box: Mailbox
) -> None:
    """Others get 403; `push_events` brings the optional trigger."""
    assert api.get("/hooks").status_code == 403
    with lab.api(lab.admin_token) as admin:
        made = admin.post("/hooks", json={"url": f"{box.url}/two", "push_events": True}).json()
        assert [h["url"] for h in admin.get("/hooks").json()] == [box.url, f"{box.url}/two"]
        lab.client.create_project("acme/heard", files={"a": "1"})
        assert box.wait("push")[0].headers["x-gitlab-event"] == "System Hook"
        assert admin.delete(f"/hooks/{made['id']}").status_code == 204


def test_the_test_button(lab: RunningSandbox, api: httpx.Client, box: Mailbox) -> None:
    """It needs a commit, sends a real push event, and reports the receiver's refusal."""
    made = lab.client.create_project("acme/button")
    url = f"/projects/{made.id}/hooks/{hook(api, made.id, box.url)['id']}/test/push_events"
    assert api.post(url).status_code == 422
    sha = lab.client.push(made.id, {"a": "1"})
    assert api.post(url).status_code == 201
    assert [letter.body["after"] for letter in box.wait("push", 2)] == [sha, sha]
    box.status = 401
    assert api.post(url).status_code == 422


def test_sent_again_with_the_same_key(lab: RunningSandbox, api: httpx.Client, box: Mailbox) -> None:
    """A resend has the same `Idempotency-Key` and the same bytes."""
    made = lab.client.create_project("acme/again")
    number = hook(api, made.id, box.url)["id"]
    lab.client.push(made.id, {"a": "1"})
    box.wait("push")

    def noted() -> bool:
        return lab.client.deliveries("push")[0].statuses == [200]

    lab.client.wait(noted, what="the answer")
    (event,) = api.get(f"/projects/{made.id}/hooks/{number}/events").json()
    assert (event["response_status"], event["trigger"]) == ("200", "push_hooks")
    assert (
        api.post(f"/projects/{made.id}/hooks/{number}/events/{event['id']}/resend").status_code
        == 201
    )
    (delivery,) = lab.client.deliveries("push")
    assert lab.client.resend(delivery.id) == 200
    first, *others = box.wait("push", 3)
    for letter in others:
        assert letter.raw == first.raw
        assert letter.headers["idempotency-key"] == first.headers["idempotency-key"]


def test_more_than_three_refs_are_no_push_event(box: Mailbox) -> None:
    """GitLab's limit: three branches are three push events, four are `repository_update` alone."""

    async def many(count: int) -> list[str]:
        sandbox = Sandbox(SandboxOptions(system_hook=box.url))
        sandbox.forge.switches.system_push_events = True
        project = sandbox.create_project("acme/many")
        made = project.repository.commit("main", {}, "x", Author("a", "b"), None)
        changes = [Change("0" * 40, made.after, f"refs/heads/b{n}") for n in range(count)]
        sandbox.courier.push(project, sandbox.person, changes)
        kinds = [delivery.kind for delivery in sandbox.courier.deliveries]
        await sandbox.close()
        return kinds

    assert asyncio.run(many(3)).count("push") == 3
    assert asyncio.run(many(4)) == ["project_create", "repository_update"]


def test_four_failures_pause_a_project_hook(
    lab: RunningSandbox, api: httpx.Client, box: Mailbox
) -> None:
    """Where the flag is on: nothing is sent until a test succeeds. System hooks never pause."""
    lab.client.set_switches(auto_disable_hooks=True)
    made = lab.client.create_project("acme/paused")
    number = hook(api, made.id, box.url)["id"]
    box.status = 500
    for count in range(1, 5):
        lab.client.push(made.id, {"a": str(count)})
        box.wait("push", count)
    url = f"/projects/{made.id}/hooks/{number}"

    def paused() -> bool:
        return bool(api.get(url).json()["alert_status"] == "temporarily_disabled")

    lab.client.wait(paused, what="the pause")
    assert api.get(url).json()["disabled_until"]
    lab.client.push(made.id, {"a": "5"})
    box.wait("repository_update", 5)
    assert box.kinds().count("push") == 4
    box.status = 200
    assert api.post(f"{url}/test/push_events").status_code == 201
    assert api.get(url).json()["alert_status"] == "executable"


def test_a_lost_receiver_is_noted(lab: RunningSandbox, api: httpx.Client) -> None:
    """No answer is status 0 with the reason; nothing is sent again."""
    made = lab.client.create_project("acme/lost")
    hook(api, made.id, "http://127.0.0.1:9/nobody")
    lab.client.push(made.id, {"a": "1"})

    def noted() -> bool:
        return lab.client.deliveries("push")[0].statuses == [0]

    lab.client.wait(noted, what="the failed delivery")
    assert "ConnectError" in (lab.client.deliveries("push")[0].error or "")


def test_hooks_can_be_doubled_dropped_and_switched_off(lab: RunningSandbox, box: Mailbox) -> None:
    """Switches for the ways in which deliveries go wrong."""
    lab.client.set_switches(hook_duplicate=1.0)
    lab.client.create_project("acme/twice")
    first, second = box.wait("project_create", 2)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    lab.client.set_switches(hook_duplicate=0.0, hook_drop=1.0)
    lab.client.create_project("acme/dropped")
    assert lab.client.deliveries()[-1].statuses == []
    lab.client.set_switches(hook_drop=0.0, hooks=False)
    count = len(lab.client.deliveries())
    lab.client.create_project("acme/off")
    assert len(lab.client.deliveries()) == count


def test_hooks_can_come_in_any_order(lab: RunningSandbox, box: Mailbox) -> None:
    """With a random delay twenty births do not arrive in the order they were sent."""
    lab.client.set_switches(hook_reorder_s=0.3)
    sent = [lab.client.create_project(f"acme/mixed-{n}").id for n in range(20)]
    came = [letter.body["project_id"] for letter in box.wait("project_create", 20)]
    assert sorted(came) == sent and came != sent


def test_a_group_hears_of_its_projects(
    lab: RunningSandbox, api: httpx.Client, box: Mailbox
) -> None:
    """A group hook hears births as Project Hook, and pushes of projects below it; owners only."""
    with mailbox() as group_box:
        lab.client.set_owners("corp")
        body = {"url": group_box.url, "project_events": True, "push_events": True}
        assert api.post("/groups/corp/hooks", json=body).status_code == 403
        lab.client.set_owners("corp", "devops-backend")
        made = api.post("/groups/corp/hooks", json=body).json()
        assert api.get("/groups/corp").json()["full_path"] == "corp"
        sha = lab.client.create_project("corp/team/app", files={"a": "1"}).branches["main"]
        lab.client.create_project("corporate/other", files={"a": "1"})
        (birth,) = group_box.wait("project_create")
        assert birth.headers["x-gitlab-event"] == "Project Hook"
        assert "owner_email" not in birth.body
        (push,) = group_box.wait("push")
        assert (push.body["after"], push.headers["x-gitlab-event"]) == (sha, "Push Hook")
        assert api.delete(f"/groups/corp/hooks/{made['id']}").status_code == 204
