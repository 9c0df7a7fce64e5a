"""`detect`: explores a repository, reads the manifests that matter, and says what it is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from workers.detect import answer, apps, extras, judge, loose, overrides, together
from workers.detect.analysis import Analysis, Source
from workers.detect.ecosystems import inspectors
from workers.detect.explore import deepen, explore
from workers.detect.found import Folder, Found
from workers.detect.read import Reader

ROUNDS = 6  # each is one request for the files that the rules asked for


def detect(source: Source, progress: Callable[[str], None] | None = None) -> Analysis:
    """What the repository is. What stands in it never raises; `source` may raise its own errors.

    The same tree gives the same answer, from a folder and over the API. `progress` hears one
    line before each request.
    """
    say = progress or (lambda _: None)
    tree, listings = explore(source, progress)
    reader = Reader(source, tree)
    result = look(reader)
    for _ in range(ROUNDS):
        folders = reader.take_listings(listings)
        if folders:
            say(f"listing {', '.join(folders)}")
            reader.tree, listings = deepen(source, reader.tree, folders, listings)
        if reader.wishes:
            count = len(reader.wishes)
            say(f"reading {count} file{'s' if count != 1 else ''}")
            reader.flush()
        elif not folders:
            break
        result = look(reader)
    return result


def look(reader: Reader) -> Analysis:
    """One pass of all rules over what has been read so far; notes what they would read next."""
    place = str(overrides.stated(reader).get("path", "")).strip("./")
    root = overrides.wanted(reader, inspect(reader, place))
    chosen = judge.verdict(reader, root)
    inside: list[Found] = []
    beside: list[Found] = []
    if not place and (chosen is None or apps.sought(root)):
        found = [one for path in apps.folders(reader) for one in inspect(reader, path)]
        beside = apps.deployed(reader, root, apps.services(reader, found))
        whole = together.built_by_root(reader, beside)
        if whole is not None:
            root, beside = [whole], []
        most = apps.majority(beside)
        chosen = judge.verdict(reader, most or apps.contenders(root, beside)) or chosen
    elif not place and chosen is not None:
        below = [
            one for path in together.server_folders(reader, chosen) for one in inspect(reader, path)
        ]
        beside = together.with_servers(chosen, below)
    if chosen is None or chosen.best.strength <= judge.USELESS or loose.deployed(reader, chosen):
        chosen = loose.dominant(reader) or chosen
    if chosen is not None:
        looked_at = apps.worth_reading(chosen.best)
        inside = [one for path in looked_at for one in inspect(reader, path)]
    extra = extras.gather(Folder(reader), chosen.best if chosen else None)
    result = answer.analysis(reader, chosen, inside, beside, extra)
    apart = result.monorepo == "services" and all(one.folder for one in beside)
    each = beside if apart else apps.apart(reader, result, inside)
    if len(each) > 1 and not overrides.stated(reader):
        reader.widen(len(each))
        result = msgspec.structs.replace(
            result, parts=answer.parts(reader, each), shared=apps.shared(reader, each)
        )
    return overrides.apply(reader, result)


def inspect(reader: Reader, path: str) -> list[Found]:
    """Every ecosystem's view of one folder."""
    folder = Folder(reader, path)
    seen = (rules(folder) for rules in inspectors())
    return [found for found in seen if found is not None]
