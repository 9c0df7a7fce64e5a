"""Our merge requests: closed, merged or labelled without a word, or unknown to the ledger.

One call lists a hundred of those that changed since the last sweep, whatever their project.
"""

from __future__ import annotations

from workers import requests
from workers.events import BRANCH_PREFIX
from workers.runs import iso
from workers.sweep.at_work import Sweep

OVERLAP_MS = 15 * 60 * 1000
"""GitLab's clock is not ours."""
PAGES_MAX = 100


def ours(sweep: Sweep, cursor: str) -> str | None:
    """A page of them, by their last change; a thorough sweep looks at all."""
    parts, page = sweep.parts, int(cursor or 1)
    since = "" if sweep.at.thorough else parts.sweeps.marked("merge_requests")
    found, more = parts.gitlab.my_merge_requests(since or None, page)
    for one in found:
        if not one.source_branch.startswith(BRANCH_PREFIX) or not one.project_id:
            continue
        path = parts.ledger.project(one.project_id).get("path", "")
        with sweep.refusals(one.project_id, path):
            news = requests.judge(parts, one.project_id, one)
            if news:
                sweep.found("merge request", one.project_id, path, news, done="it is noted")
    if more and page < PAGES_MAX:
        return str(page + 1)
    parts.sweeps.mark("merge_requests", iso(sweep.at.began - OVERLAP_MS))
    return None
