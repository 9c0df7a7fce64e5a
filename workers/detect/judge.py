"""Which of the things found is the program, how sure that is, and what a person should answer."""

from __future__ import annotations

import msgspec

from workers.detect.families import FAMILIES, share
from workers.detect.found import Folder, Found
from workers.detect.read import Reader
from workers.detect.sources import is_aside

USELESS = 0.15
"""A manifest this weak only holds tools: with no sources there is nothing to build."""
STRONG = 0.6
"""From this strength on a folder's own manifest decides, and folders below are part of it."""
CERTAIN = 0.8
FEW = 3
"""Fewer scripts are what a platform or a container calls around a program."""
SCRIPTED = 0.8
"""From this part of all sources on, shell is the program."""
SERVING = ("server", "full")
CLOSE = 0.75
"""A runner-up with this part of the winner's score is a question to a person."""


class Verdict(msgspec.Struct, frozen=True):
    """The winner of one folder, its score, and the runner-up where it came close."""

    best: Found
    score: float
    rival: Found | None = None


def score(reader: Reader, found: Found, beside: list[Found]) -> float:
    """What speaks for `found`: its manifest, its share of the sources, and that it serves.

    A server framework outweighs a manifest that only bundles pages for it.
    """
    part = share(Folder(reader, found.folder), found)
    bonus = 0.0
    # what a build leaves (`target/main.js`) starts a program of other sources as well
    started = part >= 0.1 or not is_aside(found.entry_point or "dist/")
    if found.kind in SERVING and found.strength >= STRONG and started:
        others = [one for one in beside if one is not found and one.strength >= STRONG]
        bonus = 1.0 if all(one.kind not in SERVING for one in others) else 0.2
    elif found.kind == "site" and found.framework and not _any_program(found, beside):
        bonus = 0.4
    elif part:
        bonus = _over_tooling(found, beside)
    return found.strength * (0.35 + part) + bonus


def _any_program(found: Found, beside: list[Found]) -> bool:
    others = [one for one in beside if one is not found]
    return any(o.framework or (o.strength >= CERTAIN and o.kind != "assets") for o in others)


def _over_tooling(found: Found, beside: list[Found]) -> float:
    """What a program gains over a package.json that names no framework.

    Such a manifest bundles and checks scripts; its sources are many because pages have many. It
    weighs least where it starts nothing and exports nothing.
    """
    node = next((one for one in beside if one.ecosystem == "node" and one.strength >= STRONG), None)
    told = found.ecosystem not in ("node", "deno", "static", "shell", "docker")
    if not told or found.strength < CERTAIN or node is None or node.framework is not None:
        return 0.0
    return {"assets": 1.0, "started": 0.0}.get(node.kind or "", 0.3)


def verdict(reader: Reader, found: list[Found]) -> Verdict | None:
    """The program of one folder; None where nothing was found.

    Pages, containers and scripts stand beside any program: they are it only where no other
    manifest is.
    """
    found = _without_helpers(reader, found)
    if any(one.strength >= CERTAIN and not _attends(one) for one in found):
        found = [one for one in found if not _attends(one)]
    scored = sorted(
        ((score(reader, one, found), -place, one) for place, one in enumerate(found)),
        key=lambda item: item[:2],
        reverse=True,
    )
    if not scored:
        return None
    best, rival = scored[0], scored[1] if len(scored) > 1 else None
    close = rival is not None and rival[0] >= CLOSE * best[0] and rival[2].strength >= STRONG
    return Verdict(best[2], best[0], rival[2] if rival and close else None)


def _attends(found: Found) -> bool:
    plain = found.ecosystem in ("static", "docker", "shell") and found.framework is None
    return plain and found.strength < STRONG


def _without_helpers(reader: Reader, found: list[Found]) -> list[Found]:
    """Only the scripts where nearly all is shell: then other manifests install or check them."""
    counts = Folder(reader).sources
    scripts = [
        one
        for one in found
        if one.ecosystem == "shell" and not one.folder and one.strength > USELESS
    ]
    if not scripts or counts.get("shell", 0) < max(FEW, SCRIPTED * sum(counts.values())):
        return found
    helping = (one.ecosystem for one in found if one.ecosystem in FAMILIES)
    return scripts if set(helping) > {"shell"} else found


def confidence(reader: Reader, chosen: Verdict, beside: int = 0) -> float:
    """0.05 to 0.99: manifest and sources raise it, broken manifests and rivals lower it.

    `beside` is the number of services that stand side by side.
    """
    best = chosen.best
    part = share(Folder(reader, best.folder), best)
    value = 0.45 + 0.35 * min(1.0, best.strength) + 0.19 * min(1.0, part * 1.2)
    value -= 0.25 * (chosen.rival is not None or beside > 1)
    value -= 0.3 * any(path in reader.broken for path in best.manifests)
    value -= 0.1 * bool(best.doubts)
    return round(min(0.99, max(0.05, value)), 2)


def questions(reader: Reader, chosen: Verdict, beside: list[Found]) -> tuple[str, ...]:
    """What a person should answer before a pipeline is trusted."""
    asked = list(chosen.best.doubts)
    if len(beside) <= 1 and chosen.rival is not None:
        asked.append(
            f"Both {chosen.best.manifest} ({chosen.best.language}) and {chosen.rival.manifest} "
            f"({chosen.rival.language}) could be the program: which one should be built?"
        )
    asked += [
        f"{path} {reader.broken[path]}. What should it say?"
        for path in sorted(reader.broken)
        if path in chosen.best.manifests
    ]
    return tuple(asked)
