"""Ids of learned records: the same for the same plan, readable, and nothing but their letters."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from workers.store.learned_records import LearnedPipeline, Provenance, record_id

PROVENANCE = Provenance(project_id=1, namespace="group", run="r1", pipeline=2)


def test_the_id_says_the_stack() -> None:
    """Language and framework can be read off it, and it sorts by them."""
    assert record_id("python", "fastapi", "python-fastapi", {}).startswith("python-fastapi-")
    assert record_id("go", None, "go", {}).startswith("go-none-")


def test_the_id_is_kept_from_release_to_release() -> None:
    """Records on disk are found by it: these are written down."""
    assert record_id("go", None, "go", {"go_version": "1.25"}) == "go-none-f0596168edf29133"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=5))
def test_the_order_of_choices_does_not_matter(choices: dict[str, str]) -> None:
    """The same choices in another order are the same plan."""
    backwards = dict(reversed(choices.items()))
    assert record_id("go", None, "go", choices) == record_id("go", None, "go", backwards)


@given(st.text(min_size=1, max_size=20), st.none() | st.text(max_size=20))
def test_ids_are_safe_in_addresses_and_keys(language: str, framework: str | None) -> None:
    """Lower-case letters, digits and hyphens, whatever the names."""
    assert re.fullmatch(r"[a-z0-9-]+", record_id(language, framework, "t", {}))


def test_another_template_framework_or_choice_is_another_record() -> None:
    """Each part of a plan's identity counts."""
    ids = {
        record_id("go", None, "go", {}),
        record_id("go", "gin", "go", {}),
        record_id("go", None, "go-gin", {}),
        record_id("go", None, "go", {"go_version": "1.25"}),
        record_id("go", None, "go", {"go_version": "1.24"}),
    }
    assert len(ids) == 5


def test_a_record_knows_its_id() -> None:
    """Made without an id it computes it; read back from JSON it is the same."""
    record = LearnedPipeline(
        language="go", framework=None, template="go", template_version="1", provenance=PROVENANCE
    )
    assert record.id == record_id("go", None, "go", {})
    assert msgspec.json.decode(msgspec.json.encode(record), type=LearnedPipeline) == record
