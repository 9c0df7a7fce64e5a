"""What a file's name says: its language, and whether its folder may decide anything."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from workers.detect.rules import table


@cache
def named(kind: str) -> frozenset[str]:
    """The folders of one kind in names.toml: vendored, aside, tests, helpers …"""
    return frozenset(table("names")["folders"][kind])


@cache
def extensions() -> dict[str, str]:
    """Language by lower-case file extension."""
    rules: dict[str, list[str]] = table("names")["extensions"]
    styles = ("css", "scss")
    return {ext: name for name, exts in rules.items() if name not in styles for ext in exts}


@cache
def gitlab_names() -> dict[str, str]:
    """GitLab's name of a language by file extension."""
    rules: dict[str, list[str]] = table("names")["extensions"]
    own: dict[str, str] = table("names")["linguist"]
    return {ext: own.get(name, name.capitalize()) for name, exts in rules.items() for ext in exts}


@cache
def from_gitlab() -> dict[str, str]:
    """Our language by GitLab's name of it."""
    ours = extensions()
    told = {name: ours[ext] for ext, name in gitlab_names().items() if ext in ours}
    return told | {name: language for name, language in table("names")["also"].items() if language}


def extension(path: str) -> str:
    """The lower-case extension without its dot; empty for `Makefile` and `.gitignore`."""
    name = path.rpartition("/")[2].lstrip(".")
    return name.rpartition(".")[2].lower() if "." in name else ""


def is_aside(path: str) -> bool:
    """Whether a folder of `path` keeps it from deciding what the repository is."""
    if "/" not in path:
        return False
    parts = path.lower().split("/")[:-1]
    return not (named("vendored").isdisjoint(parts) and named("aside").isdisjoint(parts))


def is_named_aside(path: str) -> bool:
    """Whether only a folder's name deeper down looks aside: `packages/sample/hello`.

    Where a repository holds nothing else, that is the program.
    """
    parts = path.lower().split("/")[:-1]
    return bool(parts) and parts[0] not in named("aside") and named("vendored").isdisjoint(parts)


def is_declaration(path: str) -> bool:
    """Whether the file only declares types, for JavaScript that stands beside it."""
    return path.endswith((".d.ts", ".d.mts", ".d.cts"))


def is_test(path: str) -> bool:
    """Whether the file stands in a folder of tests."""
    return not named("tests").isdisjoint(path.lower().split("/")[:-1])


def is_helper(path: str) -> bool:
    """Whether the file stands in a folder of scripts that help with the program."""
    return not named("helpers").isdisjoint(path.lower().split("/")[:-1])


def is_auxiliary(path: str, *, pages: bool = True) -> bool:
    """Whether the file stands in a folder that only helps with the program.

    `pages` tells whether folders that are named as a website count for that.
    """
    parts = path.lower().split("/")[:-1]
    aside = not named("auxiliary").isdisjoint(parts)
    return aside or (pages and not named("pages").isdisjoint(parts))


def weigh(paths: Iterable[str]) -> dict[str, int]:
    """Number of source files by language, asides left out.

    Tests and helping scripts count only for want of others, and so do folders aside by name and
    declarations of types for JavaScript.
    """
    program: dict[str, int] = {}
    proof: dict[str, int] = {}
    other: dict[str, int] = {}
    languages = extensions()
    for path in paths:
        language = languages.get(extension(path))
        aside = is_aside(path)
        if language is not None and not (aside and not is_named_aside(path)):
            helps = is_test(path) or is_helper(path)
            counts = other if aside or is_declaration(path) else proof if helps else program
            counts[language] = counts.get(language, 0) + 1
    return program or proof or other
