"""Webhooks: installed once, repaired where broken, refused with the setting that allows them."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.support.gitlab import Instance
from tests.support.loopback import loopback
from workers.clients.gitlab import (
    GitLab,
    ensure_group_hook,
    ensure_project_hook,
    ensure_system_hook,
)
from workers.errors import Denied, NotFound, Rejected

URL = "http://localhost:8000/webhooks/gitlab"
SECRET = "a-secret-of-the-webhook"
SIGNING = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def failing() -> Iterator[str]:
    """The address of a receiver that answers every delivery with 500."""
    with loopback(lambda _: (500, b"")) as port:
        yield f"http://127.0.0.1:{port}/hook"


def test_installed_once_with_its_events(at: Instance) -> None:
    """Push, pipeline and merge request events on; the second call finds it and writes nothing."""
    project = at.control.create_project("acme/hooked")
    made = ensure_project_hook(at.gitlab, project.id, URL, SECRET, SIGNING)
    assert made.created
    assert made.signed
    again = ensure_project_hook(at.gitlab, project.id, URL, SECRET, SIGNING)
    assert (again.id, again.created, again.repaired) == (made.id, False, ())
    [hook] = at.gitlab.project_hooks(project.id)
    assert (hook.url, hook.name) == (URL, "devops-backend")
    assert hook.push_events
    assert hook.pipeline_events and hook.merge_requests_events
    assert hook.enable_ssl_verification
    assert [call.method for call in at.control.calls("/hooks")] == ["GET", "POST", "GET", "GET"]


def test_a_broken_one_is_repaired(at: Instance) -> None:
    """Events off, certificates unchecked, unsigned, at an old address: put right in place."""
    project = at.control.create_project("acme/broken")
    fields = {
        "url": "http://old.example/webhooks/gitlab",
        "name": "devops-backend",
        "push_events": False,
        "pipeline_events": False,
        "enable_ssl_verification": False,
        "push_events_branch_filter": "main",
    }
    broken = at.gitlab.create_project_hook(project.id, fields)
    state = ensure_project_hook(at.gitlab, project.id, URL, SECRET, SIGNING)
    assert (state.id, state.created, state.signed) == (broken.id, False, True)
    assert len(state.repaired) == 7
    [hook] = at.gitlab.project_hooks(project.id)
    assert hook.url == URL
    assert hook.push_events
    assert hook.pipeline_events
    assert hook.enable_ssl_verification
    assert not hook.push_events_branch_filter


def test_a_disabled_one_is_made_anew(at: Instance, failing: str) -> None:
    """GitLab wakes a disabled hook only after a delivery that succeeds; a new one is awake."""
    at.control.set_switches(auto_disable_hooks=True)
    project = at.control.create_project("acme/disabled", files={"a": "1"})
    first = ensure_project_hook(at.gitlab, project.id, failing, SECRET)
    for number in range(5):
        at.control.push(project.id, {"a": str(number)})
    at.control.wait(lambda: at.gitlab.project_hooks(project.id)[0].disabled)
    state = ensure_project_hook(at.gitlab, project.id, failing, SECRET)
    assert state.id != first.id
    assert state.repaired == ("GitLab had disabled it",)
    [hook] = at.gitlab.project_hooks(project.id)
    assert not hook.disabled
    at.control.set_switches(auto_disable_hooks=False)


def test_foreign_hooks_are_left_alone(at: Instance) -> None:
    """Somebody else's webhook is neither taken over nor changed."""
    project = at.control.create_project("acme/foreign")
    other = at.gitlab.create_project_hook(project.id, {"url": "http://ci.example/x"})
    ensure_project_hook(at.gitlab, project.id, URL, SECRET)
    assert other in at.gitlab.project_hooks(project.id)
    assert len(at.gitlab.project_hooks(project.id)) == 2


def test_a_local_address_is_explained(at: Instance) -> None:
    """GitLab's `Invalid url given` becomes the name of the setting that allows it."""
    at.control.set_switches(local_requests=False)
    project = at.control.create_project("acme/local")
    with pytest.raises(Rejected, match="Allow requests to the local network from webhooks") as told:
        ensure_project_hook(at.gitlab, project.id, URL, SECRET)
    assert told.value.status == 422
    assert SECRET not in str(told.value)


def test_an_older_gitlab_does_not_sign(at: Instance) -> None:
    """Where signing tokens are unknown the hook stands, and says that it is unsigned."""
    at.control.set_switches(signing_tokens=False)
    project = at.control.create_project("acme/older")
    assert not ensure_project_hook(at.gitlab, project.id, URL, SECRET, SIGNING).signed


def test_project_hooks_need_a_maintainer(at: Instance) -> None:
    """A Developer's token is Denied, with the role that is needed."""
    project = at.control.create_project("acme/developer", bot_role=30)
    with pytest.raises(Denied, match="Maintainer"):
        ensure_project_hook(at.gitlab, project.id, URL, SECRET)


def owned(at: Instance, group: str) -> str:
    """A group whose owner is the bot; its path."""
    at.control.set_owners(group, "devops-backend")
    return group


def test_a_group_hook_by_path_and_by_id(at: Instance) -> None:
    """Births, pushes and pipelines on; found again by either name of the group, also a subgroup."""
    path = owned(at, "corp/teams")
    made = ensure_group_hook(at.gitlab, path, URL, SECRET, SIGNING)
    assert made.created and made.signed and made.births
    number = at.gitlab.group(path).id
    again = ensure_group_hook(at.gitlab, number, URL, SECRET, SIGNING)
    assert (again.id, again.created, again.repaired) == (made.id, False, ())
    [hook] = at.gitlab.group_hooks(number)
    assert hook.push_events and hook.pipeline_events and hook.project_events
    assert hook.enable_ssl_verification and hook.group_id == number


def test_a_broken_group_hook_is_repaired(at: Instance) -> None:
    """Each event that is off is named and put right, in place; foreign webhooks stay."""
    number = at.gitlab.group(owned(at, "mended")).id
    other = at.gitlab.create_group_hook(number, {"url": "http://ci.example/x"})
    events = {"push_events": False, "pipeline_events": False, "project_events": False}
    broken = at.gitlab.create_group_hook(number, {"url": URL, **events})
    state = ensure_group_hook(at.gitlab, number, URL, SECRET)
    assert state.id == broken.id and len(state.repaired) == 4
    assert "births of projects were not told" in state.repaired
    assert at.gitlab.group_hooks(number)[0] == other
    at.gitlab.delete_group_hook(number, broken.id)
    at.gitlab.delete_group_hook(number, broken.id)
    assert at.gitlab.group_hooks(number) == (other,)


def test_group_hooks_are_not_for_everyone(at: Instance) -> None:
    """Without a licence, or as no Owner: the tier, the role and both ways out are named."""
    path = owned(at, "poor")
    at.control.set_switches(premium=False)
    try:
        with pytest.raises(Denied, match=r"\(404\).*Premium.*system hook.*--project"):
            ensure_group_hook(at.gitlab, path, URL, SECRET)
    finally:
        at.control.set_switches(premium=True)
    at.control.set_owners("theirs", "dev")
    with pytest.raises(Denied, match=r"\(403\).*Owner of the group"):
        ensure_group_hook(at.gitlab, "theirs", URL, SECRET)
    with pytest.raises(NotFound):
        ensure_group_hook(at.gitlab, "no-such-group", URL, SECRET)


def test_a_groups_local_address_is_explained(at: Instance) -> None:
    """As for projects: only system hooks may reach local addresses by default."""
    path = owned(at, "local-group")
    at.control.set_switches(local_requests=False)
    with pytest.raises(Rejected, match="Allow requests to the local network from webhooks"):
        ensure_group_hook(at.gitlab, path, URL, SECRET)


def test_the_system_hook(at: Instance) -> None:
    """Administrators only; pushes on; repaired in place; forced where a secret changed."""
    with pytest.raises(Denied, match=r"administrator.*admin_mode.*--group"):
        ensure_system_hook(at.gitlab, URL, SECRET)
    with GitLab(at.url, at.admin_token) as admin:
        made = ensure_system_hook(admin, URL, SECRET)
        assert made.created
        assert ensure_system_hook(admin, URL, SECRET).repaired == ()
        assert ensure_system_hook(admin, URL, SECRET, force=True).repaired
        admin.update_system_hook(made.id, {"url": URL, "push_events": False})
        assert ensure_system_hook(admin, URL, SECRET).repaired == ("push events were off",)
        [hook] = admin.system_hooks()
        assert (hook.id, hook.push_events) == (made.id, True)
