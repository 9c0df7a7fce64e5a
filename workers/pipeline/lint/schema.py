"""GitLab's CI JSON schema, applied keyword by keyword to a resolved file.

The schema is data (`ci-schema.json`, its origin in `ci-schema.meta.json`). Shared values (anchors,
`extends`) are judged once for each keyword.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, Final

from jsonschema import ValidationError
from jsonschema.protocols import Validator

from workers.pipeline.lint.relax import Schema, relaxed
from workers.pipeline.lint.tree import Map, flattened
from workers.pipeline.lint.vocabulary import MAX_ERRORS, validator

SCRIPTS: Final = frozenset({"script", "before_script", "after_script"})
FLATTENED: Final = frozenset({"rules", "needs", "stages", "tags"})


class Problem:
    """One way in which `value` at `path` breaks the schema of `keyword`."""

    __slots__ = ("errors", "keyword", "path", "schema", "value")

    def __init__(
        self,
        path: tuple[str, ...],
        value: Any,
        schema: Schema,
        errors: list[ValidationError],
    ) -> None:
        self.path = path
        self.keyword = path[-1] if path else ""
        self.value = value
        self.schema = schema
        self.errors = errors


class CiSchema:
    """The compiled schema. Make it once with `compiled()`; it keeps no state of a file."""

    def __init__(self, schema: Schema) -> None:
        self.top: dict[str, Schema] = {
            name: rules for name, rules in schema["properties"].items() if name != "pages"
        }
        self.job: dict[str, Schema] = schema["definitions"]["job_template"]["properties"]
        self._top = {name: validator(rules) for name, rules in self.top.items()}
        self._job = {name: validator(rules) for name, rules in self.job.items()}

    def problems(self, body: Mapping[str, Any], *, header: bool = False) -> Iterator[Problem]:
        """Every fault of the global keywords and of the visible jobs, in the file's order."""
        seen: dict[tuple[str, int], list[ValidationError]] = {}
        for key, value in body.items():
            if header or key in self._top:
                if value is not None:
                    yield from self._judge((key,), key, value, self._top, seen)
            elif isinstance(value, dict) and not key.startswith("."):
                yield from self._judge_job(key, value, seen)

    def _judge_job(
        self, name: str, job: Mapping[str, Any], seen: dict[tuple[str, int], list[ValidationError]]
    ) -> Iterator[Problem]:
        for keyword, value in job.items():
            # A keyword without a value counts as not written (lib/gitlab/config/entry/factory.rb).
            if value is not None:
                yield from self._judge((name, keyword), keyword, value, self._job, seen)

    def _judge(
        self,
        path: tuple[str, ...],
        keyword: str,
        value: Any,
        known: Mapping[str, Validator],
        seen: dict[tuple[str, int], list[ValidationError]],
    ) -> Iterator[Problem]:
        judge = known.get(keyword)
        if judge is None:
            yield Problem(path, value, {}, [])
            return
        memo = (keyword if known is self._job else f"/{keyword}", id(value))
        if memo not in seen:
            seen[memo] = list(islice(judge.iter_errors(normalised(keyword, value)), MAX_ERRORS))
        if seen[memo]:
            schema = self.job if known is self._job else self.top
            yield Problem(path, value, schema[keyword], seen[memo])


def normalised(keyword: str, value: Any) -> Any:
    """The value as GitLab sees it before judging: scripts and lists of rules flattened."""
    if keyword in SCRIPTS or keyword in FLATTENED:
        return flattened(value)
    if keyword == "default" and isinstance(value, Map):
        return _mapped(value, lambda key, item: normalised(key, item))
    if keyword == "workflow" and isinstance(value, Map):
        return _mapped(value, lambda key, item: flattened(item) if key == "rules" else item)
    if keyword == "hooks" and isinstance(value, Map):
        return _mapped(value, lambda _, item: flattened(item))
    return value


def _mapped(value: Map, change: Callable[[str, Any], Any]) -> Map:
    result = Map(value.line)
    for key, item in value.items():
        if item is not None:
            result.put(key, change(key, item), value.line_of(key))
    return result


@cache
def compiled() -> CiSchema:
    """The schema, read and compiled at the first call."""
    data = resources.files(__package__).joinpath("ci-schema.json").read_bytes()
    return CiSchema(relaxed(json.loads(data)))
