"""Our branch must not be a protected one: its pipelines would get protected variables.

Tags need no look. GitLab resolves the ref of a branch pipeline as a branch, and refuses a name
that is both (`Ref is ambiguous`); a protected tag `*`, which is usual, must not keep projects
from getting a pipeline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from workers.clients.gitlab import GitLab
from workers.errors import Denied, NotFound, Rejected


def matches(name: str, patterns: Iterable[str]) -> str | None:
    """The pattern of protected branches that `name` falls under. `*` spans `/`, case counts."""
    for pattern in patterns:
        if re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL):
            return pattern
    return None


def refuse_protected(gitlab: GitLab, project_id: int, branch: str) -> bool:
    """Raises Rejected where our branch would be protected; false where that may not be asked."""
    try:
        names = gitlab.protected_branches(project_id)
    except (Denied, NotFound):
        return False
    pattern = matches(branch, names)
    if pattern is not None:
        raise Rejected(
            f"unsafe ref: the branch {branch} would be protected by the rule {pattern!r}, and its"
            " pipelines would get protected variables; narrow that rule"
        )
    return True


def remove_if_protected(gitlab: GitLab, project_id: int, branch: str) -> None:
    """The look afterwards, where GitLab shows its rules to Maintainers only. Raises Rejected."""
    found = gitlab.branch(project_id, branch)
    if found is not None and found.protected:
        gitlab.delete_branch(project_id, branch)
        raise Rejected(f"unsafe ref: the branch {branch} was protected, so it was removed again")
