"""The table of images that pipelines may use (`templates/images.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from workers.errors import Misconfigured

_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.-]*(?::[0-9]+)?(?:/[a-z0-9][a-z0-9._-]*)*")
_TAG = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9_.$\[\] -]{0,127}(?:@sha256:[0-9a-f]{64})?")


class Image(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row. `tag` may hold the slot `version`; `versions` are its values, oldest first."""

    repository: str
    tag: str
    versions: tuple[str, ...] = ()
    eol: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    tags: dict[str, str] = {}
    """Of a server: tags by version, for repositories that state another than `tag`."""

    @property
    def reference(self) -> str:
        """Repository and tag; the version, if any, still a slot."""
        return f"{self.repository}:{self.tag}"


def table(raw: Mapping[str, object], file: str) -> dict[str, Image]:
    """The rows of a parsed `images.yaml`. Raises Misconfigured naming file, row and cause."""
    images = {}
    for name, row in raw.items():
        try:
            image = msgspec.convert(row, Image)
        except msgspec.ValidationError as error:
            raise Misconfigured(f"{file}: {name}: {error}") from None
        if cause := _flaw(image):
            raise Misconfigured(f"{file}: {name}: {cause}")
        images[name] = image
    return images


def _flaw(image: Image) -> str | None:
    if not _REPOSITORY.fullmatch(image.repository):
        return f"repository: {image.repository!r} is no image name"
    if not _TAG.fullmatch(image.tag):
        return f"tag: {image.tag!r} is no tag"
    if image.tag == "latest" or image.tag.startswith("latest@"):
        return "tag: `latest` changes under a pipeline's feet; name a version"
    if ("$[[ version ]]" in image.tag) != bool(image.versions):
        return "versions: belong to a tag that holds `$[[ version ]]`, and only to it"
    if not all(numbers(key) and _TAG.fullmatch(tag) for key, tag in image.tags.items()):
        return "tags: are versions with their tags"
    if not set(image.eol) <= set(image.versions):
        return "eol: names a version that `versions` lacks"
    return None


def mirrored(reference: str, mirror: str | None) -> str:
    """`reference` as a mirror serves it; Docker Hub's own images live under `library/`.

    A mirror proxies Docker Hub, so images that name another host stay where they are.
    """
    if mirror is None or host(reference):
        return reference
    return f"{mirror}/{reference if '/' in reference else 'library/' + reference}"


def host(reference: str) -> str:
    """The registry host of a reference, "" for Docker Hub's short names."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def offered(image: Image, found: str | None) -> tuple[str, ...]:
    """Versions to choose from, best first: what the repository asks for, then the newest.

    `found` counts as far as the table is exact: `1.22.3` asks for 1.22, `20.11` for Node's 20.
    A version the table lacks asks for the next newer one; one beyond it for the newest.
    """
    current = [version for version in reversed(image.versions) if version not in image.eol]
    asked = _match(image.versions, found) if found else None
    # A minimum such as go.mod's or requires-python's is met by every newer version.
    newer = [v for v in current if asked is None or numbers(v) >= numbers(asked)]
    return tuple(dict.fromkeys([*([asked] if asked else []), *newer]))


def _match(versions: Iterable[str], found: str) -> str | None:
    """The oldest of `versions` that serves `found`; the newest when all are older."""
    known = sorted(versions, key=numbers)
    wanted = numbers(found)
    if not wanted:
        return None
    within = [
        v for v in known if len(wanted) < len(numbers(v)) and numbers(v)[: len(wanted)] == wanted
    ]
    if within:
        return within[-1]  # `3` asks for any 3, so for the newest
    for version in known:
        key = numbers(version)
        if key >= wanted[: len(key)]:
            return version
    return known[-1] if known else None


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version starts with: (8, 4) of `v8.4-rc`; none where it has none."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()
