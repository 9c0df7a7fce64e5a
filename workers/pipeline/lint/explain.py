"""Turns what `jsonschema` says into one sentence for a person, with line, cause and fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from jsonschema import ValidationError

from workers.pipeline.lint.findings import Sink, listed, quoted
from workers.pipeline.lint.schema import Problem, normalised
from workers.pipeline.lint.tree import Map, Seq
from workers.pipeline.lint.words import form_fix, kinds, shown

_DOCS: Final = "https://docs.gitlab.com/ci/yaml/"
_ALTERNATIVES: Final = frozenset({"anyOf", "oneOf"})
# A value that has the wrong form is told so once.
_FORMS: Final = _ALTERNATIVES | {"type", "enum", "const"}
_PATTERNS: Final = {
    r"\.ya?ml$": "must end in .yml or .yaml",
    r"(?:\S/\S|\$\S+)": "must be the path of a project, like group/project",
    "^[^/]*[^./][^/]*$": "must not contain `/` or be only dots",
    "^/.+/[ismU]*$": "must be a regular expression between slashes, like /\\d+%/",
    r"pull-push|pull|push|\$\w{1,255}": "must be pull-push, pull, push or a variable",
}


def report(problem: Problem, sink: Sink, known: Mapping[str, Any], parent: Map) -> None:
    """Record a problem of the schema, one finding for each place that is wrong."""
    if not problem.errors:
        _unknown_keyword(problem, sink, known, parent)
        return
    value = normalised(problem.keyword, problem.value)
    wrong: set[tuple[Any, ...]] = set()
    for found in problem.errors:
        error = best(found)
        place = tuple(error.absolute_path)
        if str(error.validator) in _FORMS:
            if place in wrong:
                continue
            wrong.add(place)
        line = locate(value, error.absolute_path, parent.line_of(problem.keyword), error)
        inner = "".join(
            f"[{part}]" if isinstance(part, int) else f":{part}" for part in error.absolute_path
        )
        subject = quoted(":".join(problem.path) + inner, 160)
        cause, fix = describe(error, sink)
        sink.error("schema", f"{subject} {cause}", line, fix or _docs(problem.keyword))


def _unknown_keyword(problem: Problem, sink: Sink, known: Mapping[str, Any], parent: Map) -> None:
    job, keyword = problem.path[0], problem.keyword
    fix = sink.suggest(keyword, known, "remove it, or move it to where it belongs")
    message = f"{quoted(job)} has the unknown keyword {quoted(keyword)}"
    sink.error("unknown-keyword", message, parent.line_of(keyword), fix)


def best(error: ValidationError) -> ValidationError:
    """The error that names the fault most exactly: the deepest of the branch that fits best."""
    while error.validator in _ALTERNATIVES and error.context:
        if all(_is_choice(inner, error) for inner in error.context) or _one_of_keys(error):
            return error
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        fitting = [b for b in branches.values() if not any(_wrong_kind(e, error) for e in b)]
        if not fitting:
            return error
        chosen = min(fitting, key=lambda branch: (_misfit(branch), len(branch)))
        error = min(chosen, key=_vagueness)
    return error


def _vagueness(error: ValidationError) -> tuple[int, int]:
    return (-len(error.absolute_path), 1 if error.validator in _ALTERNATIVES else 0)


def _wrong_kind(error: ValidationError, parent: ValidationError) -> bool:
    """Whether a branch fails already at its type, so that it was hardly meant."""
    if len(error.absolute_path) != len(parent.absolute_path):
        return False
    if error.validator in _ALTERNATIVES and error.context:
        return all(_wrong_kind(inner, parent) for inner in error.context)
    return error.validator == "type" or (
        _is_choice(error, parent) and isinstance(error.instance, (dict, list))
    )


def _is_choice(error: ValidationError, parent: ValidationError) -> bool:
    same = len(error.absolute_path) == len(parent.absolute_path)
    return same and str(error.validator) in ("enum", "const")


def _misfit(branch: list[ValidationError]) -> int:
    """How little a branch resembles the value: missing and unknown keys weigh most."""
    weights = {"required": 2, "additionalProperties": 3}
    return sum(
        weights.get(str(error.validator), 1)
        * (len(_unknown_keys(error)) if error.validator == "additionalProperties" else 1)
        for error in branch
    )


def locate(value: Any, path: Iterable[Any], line: int, error: ValidationError | None = None) -> int:
    """The line of the place in `value` that `path` leads to."""
    for part in path:
        if (
            isinstance(value, Map)
            and part in value
            or isinstance(value, Seq)
            and isinstance(part, int)
            and part < len(value)
        ):
            line, value = value.line_of(part), value[part]
    if error is not None and error.validator == "additionalProperties" and isinstance(value, Map):
        extra = _unknown_keys(error)
        line = value.line_of(extra[0]) if extra else line
    return line


def describe(error: ValidationError, sink: Sink) -> tuple[str, str]:
    """What is wrong and what would be right, as a predicate and a fix."""
    argument: Any = error.validator_value
    instance: Any = error.instance
    match str(error.validator):
        case "type":
            return _type(error, sink)
        case "enum" | "const":
            return _choice(argument if error.validator == "enum" else [argument], instance, sink)
        case "additionalProperties":
            return _extra_keys(error, sink)
        case "required":
            missing = [key for key in argument if key not in instance]
            return f"misses {listed(missing)}", f"add {listed(missing)}"
        case "minLength" | "minItems":
            return "must not be empty", "give it a value, or remove the keyword"
        case "maxLength" | "maxItems" | "maxProperties":
            return f"is too long: at most {argument} allowed", "shorten it"
        case "minimum":
            cause = f"must be at least {argument}, not {shown(instance)}"
            return cause, f"write {argument} or more"
        case "maximum":
            cause = f"must be at most {argument}, not {shown(instance)}"
            return cause, f"write {argument} or less"
        case "uniqueItems":
            return "lists something twice", "remove the repetition"
        case "pattern":
            return _pattern(str(argument), instance)
        case "dependencies":
            return _needed(argument, instance)
        case "not":
            return _excluded(argument, instance)
        case _:
            return _alternatives(error, sink)


def _alternatives(error: ValidationError, sink: Sink) -> tuple[str, str]:
    if error.validator == "oneOf" and not error.context:
        return "mixes forms that exclude each other", "keep only one of the forms"
    wanted = _one_of_keys(error)
    if wanted:
        return f"misses one of {listed(wanted)}", "add the one that is meant"
    found: list[str] = []
    choices: list[Any] = []
    for inner in error.context or ():
        if inner.validator == "type" and inner.absolute_path == error.absolute_path:
            values: Any = inner.validator_value
            found.extend([values] if isinstance(values, str) else values)
        elif str(inner.validator) in ("enum", "const"):
            argument: Any = inner.validator_value
            choices.extend(argument if inner.validator == "enum" else [argument])
    if choices:
        return _choice(choices, error.instance, sink)
    if found:
        cause = f"must be {kinds(list(dict.fromkeys(found)))}, not {shown(error.instance)}"
        return cause, form_fix(found, error.instance)
    return f"has a form that GitLab does not know: {shown(error.instance)}", ""


def _one_of_keys(error: ValidationError) -> list[str]:
    """The keys of which one is missing, where the branches ask for nothing else."""
    keys: list[str] = []
    for inner in error.context or ():
        if inner.validator != "required" or inner.absolute_path != error.absolute_path:
            return []
        wanted: Any = inner.validator_value
        instance: Any = inner.instance
        keys += [key for key in wanted if key not in instance]
    return keys if len(keys) > 2 else []


def _excluded(argument: Any, instance: Any) -> tuple[str, str]:
    """Of `not: {required: …}`, alone or as one of several: which of the keywords is too many."""
    branches = argument.get("anyOf", [argument])
    keys = [key for branch in branches for key in branch.get("required", ())]
    found = [key for key in keys if key in instance]
    if not found:
        return "combines keywords that exclude each other", "remove one of them"
    return f"has {listed(found)} beside a keyword that excludes it", f"remove {listed(found)}"


def _needed(argument: Any, instance: Any) -> tuple[str, str]:
    for key, others in argument.items():
        missing = [other for other in others if other not in instance]
        if key in instance and missing:
            return f"has {quoted(key)} and misses {listed(missing)}", f"add {listed(missing)}"
    return "misses a keyword that another one here needs", ""


def _type(error: ValidationError, sink: Sink) -> tuple[str, str]:
    instance, schema = error.instance, error.schema
    if isinstance(schema, dict) and "enum" in schema and not isinstance(instance, (dict, list)):
        return _choice(schema["enum"], instance, sink)
    text = "the text " if isinstance(instance, str) and instance else ""
    cause = f"must be {kinds(error.validator_value)}, not {text}{shown(instance)}"
    wanted: Any = error.validator_value
    return cause, form_fix([wanted] if isinstance(wanted, str) else wanted, instance)


def _choice(choices: list[Any], instance: Any, sink: Sink) -> tuple[str, str]:
    names = list(dict.fromkeys(str(choice) for choice in choices))
    fix = sink.suggest(instance, names) if isinstance(instance, str) else ""
    return f"must be one of {listed(names, 24)}, not {shown(instance)}", fix


def _extra_keys(error: ValidationError, sink: Sink) -> tuple[str, str]:
    extra = _unknown_keys(error)
    known = list(error.schema.get("properties", {})) if isinstance(error.schema, dict) else []
    others = f"known are {listed(known, 24)}"
    fix = sink.suggest(extra[0], known, others) if extra else others
    return f"has the unknown keyword {listed(extra)}", fix


def _unknown_keys(error: ValidationError) -> list[str]:
    schema = error.schema if isinstance(error.schema, dict) else {}
    known = schema.get("properties", {})
    instance: Any = error.instance
    return [key for key in instance if key not in known]


def _pattern(pattern: str, instance: Any) -> tuple[str, str]:
    for part, meaning in _PATTERNS.items():
        if part == pattern or (part.endswith("ml$") and part in pattern):
            return f"{meaning}; it is {shown(instance)}", ""
    return f"has a form that GitLab does not accept: {shown(instance)}", f"it must match {pattern}"


def _docs(keyword: str) -> str:
    return f"see {_DOCS}#{keyword}"
