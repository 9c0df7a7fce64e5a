"""What stands between a pipeline and its first run, in words for the merge request."""

from __future__ import annotations

from datetime import UTC, datetime

from workers.steps.markdown import bullets, code, prose
from workers.steps.preflight import Preflight
from workers.steps.runners import Finding


def section(found: Preflight | None, *, builds_image: bool) -> str:
    """The section of the description; "" where nothing was looked at."""
    if found is None:
        return ""
    at = datetime.fromtimestamp(found.at / 1000, UTC)
    lines = [f"Looked at on {code(at.strftime('%Y-%m-%d %H:%M UTC'))}."]
    if found.runners:
        takes = "runner takes" if found.runners == 1 else "runners take"
        lines.append(f"{found.runners} {takes} its jobs.")
    if builds_image:
        lines.append(
            f"The image is built with {code(found.builder)}: {prose(found.builder_reason)}."
        )
    parts = ["## Before it can run here", " ".join(lines), bullets(map(_line, found.findings))]
    return "\n\n".join(part for part in parts if part)


def _line(finding: Finding) -> str:
    text = prose(f"{finding.text} {finding.fix}".strip(), 600)
    return f"**Needed:** {text}" if finding.severity == "blocks" else text
