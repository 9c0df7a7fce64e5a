"""Reading GraphQL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sandbox.graphql_query import BadQuery, parse


def test_aliases_arguments_and_variables() -> None:
    """Aliases name the answer; variables are filled in, defaults where none was sent."""
    text = 'query Q($p: ID!, $n: Int = 5) { a: b(fullPath: $p, first: $n, tags: ["x", 1]) { id } }'
    kind, (field,) = parse(text, {"p": "g/x"})
    assert (kind, field.key, field.name) == ("query", "a", "b")
    assert field.arguments == {"fullPath": "g/x", "first": 5, "tags": ["x", 1]}
    assert [inner.name for inner in field.fields] == ["id"]


def test_fragments_are_put_in_their_places() -> None:
    """Named and inline fragments become plain fields."""
    text = "{ a { ...F ... on X { c } ... { d } } } fragment F on X { b }"
    _, (field,) = parse(text, {})
    assert [inner.name for inner in field.fields] == ["b", "c", "d"]


def test_comments_and_commas_mean_nothing() -> None:
    """They may stand anywhere between words."""
    _, fields = parse("{ a, # one\n b }\n# end", {})
    assert [field.name for field in fields] == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["{", "{}", "{ a(", "{ a } }", "{ ...F }", '{ a(b: "x) }', "{ a(b: ) }"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """A broken query raises `BadQuery`."""
    with pytest.raises(BadQuery):
        parse(text, {})


def test_endless_nesting_is_refused() -> None:
    """Depth is bounded, fragments that hold themselves included."""
    with pytest.raises(BadQuery, match="deeply"):
        parse("{a" * 500 + "}" * 500, {})
    with pytest.raises(BadQuery, match="deeply"):
        parse("{ ...F } fragment F on X { ...F }", {})


@given(st.text(alphabet='{}()[]:$!.a1" ,#\n', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but `BadQuery`."""
    try:
        assert parse(text, {})[0]
    except BadQuery as bad:
        assert str(bad)
