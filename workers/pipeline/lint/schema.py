"""GitLab's CI JSON schema, applied keyword by keyword to a resolved file.

The schema is data (`ci-schema.json`, its origin in `ci-schema.meta.json`). It was made for an
editor and refuses a few things that GitLab's own linter accepts; `_relaxed` takes those back, each
with the reason. Shared values (anchors, `extends`) are judged once for each keyword.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from workers.pipeline.lint.document import Map, Seq
from workers.pipeline.lint.resolve import Opaque

Schema = dict[str, Any]
Rule = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]

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
        definitions = schema["definitions"]
        self.top: dict[str, Schema] = {
            name: rules for name, rules in schema["properties"].items() if name != "pages"
        }
        self.job: dict[str, Schema] = definitions["job_template"]["properties"]
        self._top = {name: _validator(rules, definitions) for name, rules in self.top.items()}
        self._job = {name: _validator(rules, definitions) for name, rules in self.job.items()}

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
        validator = known.get(keyword)
        if validator is None:
            yield Problem(path, value, {}, [])
            return
        memo = (keyword if known is self._job else f"/{keyword}", id(value))
        if memo not in seen:
            seen[memo] = list(validator.iter_errors(normalised(keyword, value)))
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


def flattened(value: Any) -> Any:
    """A nested list as one flat list that keeps the lines; anything else as it is."""
    if not isinstance(value, Seq) or not any(isinstance(item, Seq) for item in value):
        return value
    flat = Seq(value.line)
    todo: list[tuple[Any, int]] = [(value, value.line)]
    while todo:
        item, line = todo.pop()
        if isinstance(item, Seq):
            todo.extend((item[i], item.line_of(i)) for i in reversed(range(len(item))))
        else:
            flat.add(item, line)
    return flat


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
    return CiSchema(_relaxed(json.loads(data)))


def _relaxed(schema: Schema) -> Schema:
    """The schema without what GitLab's linter does not ask for."""
    schema = copy.deepcopy(schema)
    definitions = schema["definitions"]
    job = definitions["job_template"]["properties"]
    # Two equal stage names are one stage (`stages.uniq`); the validator warns instead.
    schema["properties"]["stages"].pop("uniqueItems", None)
    # `/…/` may carry flags (lib/gitlab/untrusted_regexp/ruby_syntax.rb).
    job["coverage"]["pattern"] = "^/.+/[ismU]*$"
    # Every default can be inherited or not (lib/gitlab/ci/config/entry/inherit/default.rb).
    names = job["inherit"]["properties"]["default"]["oneOf"][1]["items"]["enum"]
    names.extend(n for n in schema["properties"]["default"]["properties"] if n not in names)
    # `needs:pipeline` without a job mirrors an upstream pipeline; one need may stand alone.
    pipeline = {"type": "object", "required": ["pipeline"], "additionalProperties": False}
    pipeline["properties"] = {"pipeline": {"type": "string"}}
    job["needs"] = {"anyOf": [job["needs"], *job["needs"]["items"]["oneOf"][1:-1], pipeline]}
    job["needs"]["anyOf"][0]["items"]["oneOf"].append(pipeline)
    # A file name may come from a variable, which the schema cannot see through.
    for item in ("include_item",):
        _allow_variables(definitions[item])
    _allow_variables(job["trigger"])
    # URLs of an environment are expanded at run time.
    job["environment"]["oneOf"][1]["properties"]["url"].pop("pattern", None)
    _relax_values(schema, definitions, job)
    return schema


def _relax_values(schema: Schema, definitions: Schema, job: Schema) -> None:
    # A variable's value may be a number (lib/gitlab/ci/config/entry/variable.rb).
    for name in ("globalVariables", "jobVariables"):
        complex_variable = definitions[name]["patternProperties"][".*"]["oneOf"][1]["properties"]
        for key in {"value", "description"} & set(complex_variable):
            complex_variable[key]["type"] = ["string", "number", "boolean"]
    # Kept for old files (gitlab-org/gitlab#436473); unknown keys of `workflow` are refused.
    rule = schema["properties"]["workflow"]["properties"]["rules"]["items"]
    for key in ("start_in", "allow_failure", "needs"):
        rule["properties"][key] = {}
    schema["properties"]["workflow"]["additionalProperties"] = False
    # Reports that GitLab still takes (lib/gitlab/ci/config/entry/reports.rb).
    reports = definitions["artifacts"]["properties"]["reports"]["properties"]
    for name in ("cluster_image_scanning", "requirements_v2"):
        reports.setdefault(name, {"$ref": "#/definitions/string_file_list"})
    # A date is checked where its meaning is (lib/gitlab/ci/config/entry/release.rb).
    release = job["release"]["properties"]
    release["released_at"].pop("pattern", None)
    release["milestones"] = {"anyOf": [release["milestones"], {"type": "string"}]}


def _allow_variables(schema: Any) -> None:
    if isinstance(schema, dict):
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and "ya?ml" in pattern:
            schema["pattern"] = rf"(?:{pattern})|\$"
        for value in schema.values():
            _allow_variables(value)
    elif isinstance(schema, list):
        for value in schema:
            _allow_variables(value)


def _one_of(validator: Any, branches: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`oneOf`, except that a value nobody knows yet may fit several branches."""
    errors = list(Draft7Validator.VALIDATORS["oneOf"](validator, branches, instance, schema) or ())
    if errors and not errors[0].context and _holds_opaque(instance):
        return
    yield from errors


def _holds_opaque(value: Any) -> bool:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, Opaque):
            return True
        todo.extend(item.values() if isinstance(item, dict) else item if _is_list(item) else ())
    return False


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _unless_opaque(rule: Rule) -> Rule:
    def judge(validator: Any, argument: Any, instance: Any, schema: Any) -> Any:
        if isinstance(instance, Opaque):
            return ()
        return rule(validator, argument, instance, schema)

    return judge


@cache
def _validator_class() -> type[Validator]:
    rules: dict[str, Rule] = {**Draft7Validator.VALIDATORS, "oneOf": _one_of}
    guarded = {name: _unless_opaque(rule) for name, rule in rules.items()}
    made: type[Validator] = extend(Draft7Validator, guarded)  # type: ignore[no-untyped-call]
    return made


def _validator(rules: Schema, definitions: Schema) -> Validator:
    return _validator_class()({**rules, "definitions": definitions})
