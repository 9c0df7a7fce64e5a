"""Deliveries become events: GitLab's own samples, and everything else that may arrive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.events import PARSERS, Event, Unwanted, parse
from workers.settings import AGAIN_LABEL

SAMPLES = Path(__file__).parent.parent / "samples" / "hooks"

EXPECTED: dict[str, tuple[str, int] | None] = {
    "group_hook_project_create": ("project_created", 22),
    "job_hook": None,
    "merge_request_hook": ("merge_request", 1),
    "pipeline_hook": ("pipeline", 1),
    "push_hook": ("push", 15),
    "push_hook_recorded_delivery": ("push", 7),
    "system_hook_project_create": ("project_created", 74),
    "system_hook_project_destroy": ("project_destroyed", 73),
    "system_hook_project_rename": ("project_renamed", 73),
    "system_hook_project_transfer": ("project_transferred", 73),
    "system_hook_project_update": None,
    "system_hook_push": ("push", 15),
    "system_hook_repository_update": ("repository_updated", 1),
    "system_hook_tag_push": None,
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_gitlabs_own_samples(name: str) -> None:
    """Each documented delivery is the event it is, or is known to be none of ours."""
    event = parse((SAMPLES / f"{name}.json").read_bytes())
    wanted = EXPECTED[name]
    if wanted is None:
        assert isinstance(event, Unwanted) and "no event of interest" in event.reason
    else:
        assert isinstance(event, Event) and (event.kind, event.project_id) == wanted


def test_every_sample_has_an_expectation_and_every_parser_a_sample() -> None:
    """Adding a kind without its sample fails here."""
    names = {path.stem for path in SAMPLES.glob("*.json")}
    assert names == set(EXPECTED)
    kinds = {wanted[0] for wanted in EXPECTED.values() if wanted}
    assert len(kinds) == len(PARSERS)


def test_a_push_and_a_pipeline_carry_what_is_needed() -> None:
    """Branch names without prefix, shas, status."""
    push = parse((SAMPLES / "push_hook.json").read_bytes())
    assert isinstance(push, Event)
    assert (push.ref, push.after[:8], push.path) == ("master", "da156088", "mike/diaspora")
    pipeline = parse((SAMPLES / "pipeline_hook.json").read_bytes())
    assert isinstance(pipeline, Event)
    assert (pipeline.pipeline_id, pipeline.pipeline_status, pipeline.queue) == (
        31, "success", "record",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("branch", "action", "labels", "wanted"),
    [
        ("devops-backend/ci-1", "close", [], True),
        ("devops-backend/ci-1", "reopen", [], True),
        ("devops-backend/ci-1", "merge", [], True),
        ("devops-backend/ci-1", "update", [], False),
        ("devops-backend/ci-1", "open", [], False),
        ("devops-backend/ci-1", "update", [AGAIN_LABEL], True),
        ("feature", "close", [AGAIN_LABEL], False),
    ],
)
def test_which_changes_of_merge_requests_decide_something(
    branch: str, action: str, labels: list[str], wanted: bool
) -> None:
    """Ours closed, opened again, merged or labelled; not our own edits, not other people's."""
    body = json.loads((SAMPLES / "merge_request_hook.json").read_text())
    titles = [{"title": title} for title in labels]
    body["object_attributes"] |= {"source_branch": branch, "action": action, "labels": titles}
    event = parse(json.dumps(body).encode())
    assert isinstance(event, Event) is wanted
    if isinstance(event, Event):
        assert (event.iid, event.ref, event.queue) == (4, branch, "generate")
        other = {**body, "object_attributes": {**body["object_attributes"], "iid": 5}}
        second = parse(json.dumps(other).encode())
        assert isinstance(second, Event) and second.content_key != event.content_key


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Event("push", 1, ref="devops-backend/ci-1", after="1"), "our own branch"),
        (Event("push", 1, ref="main", after="0" * 40), "a branch was deleted"),
        (Event("repository_updated", 1, ref="devops-backend/a devops-backend/b"), "our own branch"),
        (Event("repository_updated", 1, ref="devops-backend/a main"), None),
        (Event("push", 1, ref="main", after="1"), None),
    ],
)
def test_what_is_ignored_by_itself(event: Event, reason: str | None) -> None:
    """The echo of our own branch and deletions are no work."""
    assert event.ignored == reason


def test_a_child_pipeline_is_not_the_projects_own() -> None:
    """Its success says nothing about the whole."""
    body = json.loads((SAMPLES / "pipeline_hook.json").read_bytes())
    body["object_attributes"]["source"] = "parent_pipeline"
    assert parse(json.dumps(body).encode()) == Unwanted("a child pipeline")


def test_the_same_fact_has_the_same_key_whichever_hook_tells_it() -> None:
    """System hook and project hook both send a push; order of refs does not matter."""
    a = Event("push", 1, "a/b", ref="main", before="1", after="2", user_id=5)
    b = Event("push", 1, "old/name", ref="main", before="1", after="2")
    assert a.content_key == b.content_key
    assert a.content_key != Event("push", 1, ref="main", before="1", after="3").content_key


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b'{"x":NaN}',
        b'{"event_name":"push","project_id":true}', b'{"event_name":"push","project_id":"1"}',
        b'{"event_name":"push","project_id":1' + b"0" * 5000 + b"}",
        b'{"event_name":"push","project_id":-1}', b'{"event_name":"\\ud800","project_id":1}',
        b'{"object_kind":"pipeline","project":{"id":1}}', '{"event_name":"push"}'.encode("utf-16"),
        b'{"event_name":"repository_update","project_id":1,"changes":{}}',
    ],
)  # fmt: skip
def test_bodies_that_gitlab_does_not_send(body: bytes) -> None:
    """Never an exception: a fact to count."""
    assert isinstance(parse(body), Unwanted)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "event_name",
                "object_kind",
                "project_id",
                "project",
                "ref",
                "before",
                "after",
                "changes",
                "user_id",
                "object_attributes",
                "path_with_namespace",
            ]  # fmt: skip
        ),
        json_values | st.sampled_from(["push", "pipeline", "project_create", "repository_update"]),
    )
)
def test_parsing_never_raises_and_events_are_sound(body: dict[str, object]) -> None:
    """Whatever JSON arrives, the answer is an event with a positive id, or a reason."""
    found = parse(json.dumps(body).encode("utf-8", "replace"))
    if isinstance(found, Event):
        assert found.project_id > 0
        assert len(found.ref) <= 2048 and found.path.encode()
    else:
        assert found.reason


@given(st.binary(max_size=200))
def test_bytes_never_raise(body: bytes) -> None:
    """Any bytes at all."""
    assert isinstance(parse(body), Event | Unwanted)
