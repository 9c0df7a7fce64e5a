"""The last resort: no manifest and no script at the top, yet sources of one language below."""

from __future__ import annotations

from workers.detect import versions
from workers.detect.extras import DOCKERFILES
from workers.detect.families import FAMILIES, GLUE
from workers.detect.found import Folder, Found
from workers.detect.judge import Verdict
from workers.detect.read import Reader
from workers.detect.sources import extension, extensions, is_aside

STRENGTH = 0.25


def dominant(reader: Reader) -> Verdict | None:
    """The language with the most sources, markup only where there is nothing else."""
    folder = Folder(reader)
    counts = {name: n for name, n in folder.sources.items() if name not in GLUE} or folder.sources
    if not counts:
        return None
    language = max(sorted(counts), key=lambda name: counts[name])
    example = next(
        (p for p in folder.below if extensions().get(extension(p)) == language and not is_aside(p)),
        "",
    )
    found = Found(
        folder="",
        ecosystem=_ecosystem(language),
        language="python" if language == "notebook" else language,
        manifest=example or folder.has(*DOCKERFILES) or "",
        strength=STRENGTH,
    )
    found.say(f"language={found.language}", example)
    versions.set_version(found, folder, found.ecosystem)
    found.doubts.append("No build file was found: how is this program built and tested?")
    return Verdict(found, STRENGTH)


def _ecosystem(language: str) -> str:
    if language in ("c", "cpp"):
        return language
    order = (name for name, languages in FAMILIES.items() if language in languages)
    return next(order, language)
