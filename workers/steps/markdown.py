"""Text for GitLab's Markdown from strings that nobody vouches for.

GitLab carries out quick actions (`/merge`) in descriptions that come through its API, notifies
`@all`, closes issues and renders HTML. So what comes from a repository stands in code spans only,
and what is shown as prose holds nothing but plain words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories that show nothing or reorder what is shown."""

_WORD = re.compile(
    r"(?!\(?(?i:www)\b)"  # with a dot behind it, the start of a link
    r"\(?[A-Za-z0-9](?:[A-Za-z0-9'-]*[A-Za-z0-9])?\)?[,;:?!.]?\)?|[,;:?!.)]{1,2}"
)
_NOT_A_LABEL = re.compile(r"[^A-Za-z0-9 _.+()-]+")


def plain(text: str, most: int = 200) -> str:
    """One line of visible characters, cut to `most` with an ellipsis."""
    shown = "".join(
        " " if c.isspace() else c
        for c in text[: most * 8]
        if c.isspace() or unicodedata.category(c) not in _HIDDEN
    )
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def code(text: str, most: int = 200) -> str:
    """A code span, fenced by more backticks than `text` has in a row.

    A pipe would end a table's cell even inside a span, and escaping it fails after a backslash:
    it is shown as a broken bar.
    """
    line = plain(text, most).replace("|", "¦")
    if not line:
        return "—"
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def prose(text: str, most: int = 400) -> str:
    """Plain words as they are, everything else in code spans; backticks mark code already."""
    parts = plain(text, most).split("`")
    shown = ""
    for place, part in enumerate(parts):
        marked = place % 2 == 1 and place < len(parts) - 1
        for piece in [code(part)] if marked else _pieces(part):
            glued = not shown or piece[0] in ",;:?!.)"
            shown += piece if glued else f" {piece}"
    return shown


def _pieces(part: str) -> list[str]:
    """Runs of plain words, and the runs between them as code."""
    pieces = []
    for is_word, run in groupby(part.split(), key=lambda word: bool(_WORD.fullmatch(word))):
        words = " ".join(run)
        pieces.append(words if is_word else code(words))
    return pieces


def label(text: str, most: int = 40) -> str:
    """Letters, digits and `_ . + - ( )` alone: for titles and the labels of diagrams."""
    return " ".join(_NOT_A_LABEL.sub(" ", text).split())[:most].strip()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; "" without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines])


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def folded(title: str, body: str) -> str:
    """`body` behind a line that opens it, in GitLab's own HTML; "" without a body."""
    return f"<details>\n<summary>{label(title)}</summary>\n\n{body}\n\n{_CLOSE}" if body else ""


def seconds(value: float | None) -> str:
    """A duration for people: `42 s`, `3 min 20 s`; "—" where there is none."""
    if value is None:
        return "—"
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def megabytes(size: int) -> str:
    """A size for people, in units of a thousand, as registries show it: `23.4 MB`."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def flowchart(
    groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], arrows: Iterable[tuple[str, str]]
) -> str:
    """A Mermaid block: groups of (name, title) in a row, arrows between names."""
    ids: dict[str, str] = {}
    lines = ["flowchart LR"]
    for number, (group, nodes) in enumerate(groups):
        lines.append(f'  subgraph s{number}["{label(group)}"]')
        for name, title in nodes:
            ids[name] = f"j{len(ids)}"
            lines.append(f'    {ids[name]}["{label(title)}"]')
        lines.append("  end")
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in arrows if a in ids and b in ids]
    lines += [f"  s{number} -.-> s{number + 1}" for number in range(len(groups) - 1)]
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def unsafe_lines(markdown: str) -> list[str]:
    """Lines that GitLab could act on outside code: what this module promises not to write."""
    return [line for line in _outside(markdown) if _ACTS.search(line)]


_CLOSE = "</details>"
_FOLD = re.compile(rf"<details>|{_CLOSE}|<summary>[A-Za-z0-9 _.+()-]*</summary>")
"""The only HTML: lines that `folded` writes, which open and close a part and do nothing else."""
_ACTS = re.compile(r"^\s*/\w|@|<|[#!~&%$]\d|\[skip|\]\(|https?:|www\.", re.IGNORECASE)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:.*?[^`])?\1(?!`)")


def _outside(markdown: str) -> Iterable[str]:
    """Lines outside fenced blocks, without their code spans."""
    fence = ""
    for line in markdown.split("\n"):
        if fence:
            fence = "" if line.strip() == fence else fence
        elif found := re.match(r"(`{3,})\w*$", line):
            fence = found[1]
        elif not _FOLD.fullmatch(line):
            yield _SPAN.sub("", line)
