"""JSON Schema's keywords for hostile input: bounded, and patient with what is not known yet.

The library's own keywords are quadratic in places (`uniqueItems`), gather an error for every item
of a list however long, and try every branch of a choice in full. These say the same in linear
time and stop after `MAX_ERRORS`. A value that only GitLab can know (`Opaque`) passes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from workers.pipeline.lint.tree import Opaque

MAX_ERRORS: Final = 20
Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]
_KINDS: Final[dict[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_TYPE_ONLY: Final = {"type"}
_pattern = cache(re.compile)


def validator(schema: dict[str, Any]) -> Validator:
    """A validator of `schema`, which must hold no `$ref`."""
    return _validator_class()(schema)


@cache
def _validator_class() -> type[Validator]:
    rules: dict[str, Keyword] = {
        **Draft7Validator.VALIDATORS,
        "anyOf": _any_of,
        "oneOf": _one_of,
        "items": _items,
        "patternProperties": _pattern_properties,
        "properties": _properties,
        "uniqueItems": _unique_items,
    }
    patient = {name: _patient(rule) for name, rule in rules.items()}
    made: type[Validator] = extend(Draft7Validator, patient)  # type: ignore[no-untyped-call]
    return made


def _patient(rule: Keyword) -> Keyword:
    def judge(validator: Any, argument: Any, instance: Any, schema: Any) -> Any:
        return () if isinstance(instance, Opaque) else rule(validator, argument, instance, schema)

    return judge


def _fits(branch: Any, instance: Any) -> bool:
    """Whether a branch may match, judged by its `type` alone."""
    wanted = branch.get("type") if isinstance(branch, dict) else None
    if wanted is None:
        return True
    kinds = (wanted,) if isinstance(wanted, str) else wanted
    if isinstance(instance, dict):
        return "object" in kinds
    if isinstance(instance, list):
        return "array" in kinds
    if instance is None:
        return "null" in kinds
    kind = _KINDS.get(type(instance), "string")
    return kind in kinds or (kind == "integer" and "number" in kinds)


def _matches(validator: Any, branch: Any, instance: Any) -> bool:
    if not _fits(branch, instance):
        return False
    return branch.keys() == _TYPE_ONLY or bool(validator.evolve(schema=branch).is_valid(instance))


def _any_of(validator: Any, branches: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not any(_matches(validator, branch, instance) for branch in branches):
        yield _no_branch(validator, branches, instance)


def _one_of(validator: Any, branches: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    matching = sum(_matches(validator, branch, instance) for branch in branches)
    if matching == 0:
        yield _no_branch(validator, branches, instance)
    elif matching > 1 and not holds_opaque(instance):
        yield ValidationError("more than one form fits", context=())


def _no_branch(validator: Any, branches: Any, instance: Any) -> ValidationError:
    context: list[ValidationError] = []
    for index, branch in enumerate(branches):
        context.extend(islice(validator.descend(instance, branch, schema_path=index), MAX_ERRORS))
    return ValidationError("no form fits", context=context)


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, list):
        found = (
            error
            for index, item in enumerate(instance)
            if items.keys() != _TYPE_ONLY or not _fits(items, item)
            for error in validator.descend(item, items, path=index)
        )
        yield from islice(found, MAX_ERRORS)


def _properties(
    validator: Any, known: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for key in instance:
            if key in known:
                yield from validator.descend(instance[key], known[key], path=key, schema_path=key)


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        found = (
            error
            for pattern, rules in patterns.items()
            for key, value in instance.items()
            if pattern == ".*" or _pattern(pattern).search(key)
            for error in validator.descend(value, rules, path=key, schema_path=pattern)
        )
        yield from islice(found, MAX_ERRORS)


def _unique_items(
    validator: Any, unique: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if unique and isinstance(instance, list):
        shown = {json.dumps(item, sort_keys=True) for item in instance}
        if len(shown) < len(instance):
            yield ValidationError("lists something twice")


def holds_opaque(value: Any) -> bool:
    """Whether something in the value is not known yet."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, Opaque):
            return True
        if isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return False
