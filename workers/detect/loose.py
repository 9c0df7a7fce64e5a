"""The last resort: no manifest and no script at the top, yet sources of one language below."""

from __future__ import annotations

import re

from workers.detect import versions
from workers.detect.ecosystems import plain, python
from workers.detect.extras import DOCKERFILES
from workers.detect.families import FAMILIES, GLUE
from workers.detect.found import Folder, Found
from workers.detect.judge import Verdict
from workers.detect.read import Reader
from workers.detect.rules import table
from workers.detect.sources import extension, extensions, is_aside, is_named_aside

STRENGTH = 0.25
MOST_SCRIPTS = 3
FEW = 3
"""So many sources for each file of Terraform are the program."""
SQL = 5
"""So many files of SQL for each source are a database's, not a program's."""


def deployed(reader: Reader, chosen: Verdict) -> bool:
    """Whether what was chosen, below the root, only deploys a program without a manifest.

    A chart does where the root's container is built of sources, Terraform where its files are few.
    """
    folder = Folder(reader)
    if "/" not in chosen.best.manifest:
        return False
    counts = folder.sources
    most = max((n for language, n in counts.items() if language not in GLUE), default=0)
    if chosen.best.ecosystem == "terraform":
        return most >= FEW * max(1, counts.get("terraform", 0))
    chart = chosen.best.ecosystem == "helm"
    return chart and most > 0 and folder.has(*DOCKERFILES) is not None


def dominant(reader: Reader) -> Verdict | None:
    """The language with the most sources, markup only where there is nothing else."""
    folder = Folder(reader)
    counts = {name: n for name, n in folder.sources.items() if name not in GLUE} or folder.sources
    if len(folder.find("*.sql")) >= SQL * max(1, sum(folder.sources.values())):
        return None  # what a database is migrated with; scripts may stand among that
    if counts and _scripts_of_pages(folder, counts):
        language, example = "html", folder.find("*.html")[0]
    elif counts:
        language = max(sorted(counts), key=lambda name: counts[name])
        of_it = (p for p in folder.below if extensions().get(extension(p)) == language)
        example = next((path for path in of_it if _counts(path)), "")
    else:
        language, example = _first_line(folder)
    if not language:
        return None
    found = _by_rules(folder, _ecosystem(language), example) or Found(
        folder="",
        ecosystem=_ecosystem(language),
        language="python" if language == "notebook" else language,
        manifest=example or folder.has(*DOCKERFILES) or "",
    )
    found.strength = STRENGTH
    found.say(f"language={found.language}", example)
    if language == "notebook":
        found.facts["notebooks"] = "true"
    versions.set_version(found, folder, found.ecosystem)
    found.doubts.append("No build file was found: how is this program built and tested?")
    return Verdict(found, STRENGTH)


def _scripts_of_pages(folder: Folder, counts: dict[str, int]) -> bool:
    """Whether all sources are scripts that stand beside a page or below one."""
    pages = {path.rpartition("/")[0] + "/" for path in folder.find("index.html")}
    scripts = folder.find("*.js")
    beside = (any(path.startswith(page) for page in pages) for path in scripts)
    return counts.keys() <= {"javascript"} and bool(pages and scripts) and all(beside)


def _by_rules(folder: Folder, ecosystem: str, example: str) -> Found | None:
    """What the ecosystem's own rules say of a program whose sources all stand further down."""
    if not example:
        return None
    if ecosystem == "python":
        return python.inspect(folder, example)
    return plain.inspect(folder, ecosystem, example) if ecosystem in plain.ecosystems() else None


def _counts(path: str) -> bool:
    return not is_aside(path) or is_named_aside(path)


def _first_line(folder: Folder) -> tuple[str, str]:
    """The language that the first line of a script without an extension names, and the script."""
    known: dict[str, str] = table("names")["interpreters"]
    plain = [p for p in folder.below if re.fullmatch(r"(?:bin/|libexec/)?[a-z][a-z0-9_-]*", p)]
    runnable = [p for p in plain if folder.reader.tree.entries[p].mode == "100755"]
    for path in (runnable or plain)[:MOST_SCRIPTS]:
        line = (folder.text(path, rank=2) or "").partition("\n")[0]
        called = re.match(r"#!.*?([a-zA-Z]+)[\d.]*(?:\s+-\S+)*\s*$", line)
        if called and called.group(1) in known:
            return known[called.group(1)], path
    return "", ""


def _ecosystem(language: str) -> str:
    if language in ("c", "cpp"):
        return language
    order = (name for name, languages in FAMILIES.items() if language in languages)
    return next(order, language)
