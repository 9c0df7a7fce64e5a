"""Publishes a run's files: one commit on a branch of our own, one draft merge request.

GitLab refuses the second write, no lock of ours could. The branch is a function of the source
commit, and is made by the commit call itself, from exactly the commit that was analysed
(`start_sha`; a `start_branch` would mean whatever stands there by then): a second call finds the
branch and is refused. An improvement of our own commit names the commit that it replaces, per
file (`last_commit_id`). After any unclear answer the branch is looked at before anything else.

A healthy run makes three calls here: protected branches, commit, merge request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from workers.clients.gitlab import GitLab
from workers.clients.gitlab_repository import Action
from workers.clients.gitlab_types import Branch, Commit
from workers.errors import Conflict, Rejected, Unclear
from workers.settings import AutoCommit
from workers.steps.merge_request import Opened, open_draft
from workers.steps.protection import refuse_protected, remove_if_protected

PREFIX = "devops-backend/ci-"
TRAILER = "Devops-Backend-Run"
SUBJECT = "Add a CI pipeline"
CI_FILE = ".gitlab-ci.yml"
MANAGED = frozenset({CI_FILE, "Dockerfile", ".dockerignore"})
"""The files that this program may write, and no other."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to publish: the project, its branch to merge into, and the commit that was analysed.

    `existing` holds the paths of that commit's root; only those of `MANAGED` matter.
    """

    project_id: int
    target_branch: str
    source_sha: str
    existing: frozenset[str] = frozenset()


class Intent(msgspec.Struct, frozen=True):
    """What is about to be written. To be recorded before the call: an event may come first."""

    project_id: int
    branch: str
    source_sha: str
    digest: str
    """SHA-256 of paths and contents, hexadecimal."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in GitLab now.

    `changed` is false where it stood there before the call. `kept` are files that were left as a
    person wrote them. `sha` and `url` are of the commit, "" where nothing was committed.
    """

    sha: str
    url: str
    branch: str
    merge_request: Opened | None
    changed: bool
    kept: tuple[str, ...] = ()


def branch_name(source_sha: str) -> str:
    """Our branch for a source commit."""
    return PREFIX + source_sha[:8]


def is_ours(message: str) -> bool:
    """True where a commit message ends with our trailer."""
    last = message.rstrip().rpartition("\n")[2]
    return last.startswith(TRAILER + ": ")


def publish(
    gitlab: GitLab,
    target: Target,
    files: Mapping[str, str],
    *,
    run_id: str,
    intent: Callable[[Intent], None],
    mode: AutoCommit,
    title: str,
    text: str,
    improve: bool = False,
    again: bool = False,
    there: Commit | None = None,
) -> Published:
    """Commit `files` and open the draft merge request, as far as `mode` says.

    Safe to call again after any error. Files that exist in the source commit are kept as they
    are. `improve` lets it replace what we ourselves committed to the same branch before; it costs
    nothing where there is no such branch. `again`: a person asked, so a merge request that was
    closed is opened again. `there`: what `standing` found, so that nothing is committed.

    Raises Rejected where a pipeline exists already, a file is none of `MANAGED`, or the branch
    would be a protected one; Conflict where the branch holds something else; what the client
    raises otherwise.
    """
    wanted, kept = _wanted(files, target.existing)
    branch = branch_name(target.source_sha)
    if mode is AutoCommit.NONE:
        return Published(sha="", url="", branch="", merge_request=None, changed=False, kept=kept)
    commit, changed = there, False
    if commit is None:
        checked = refuse_protected(gitlab, target.project_id, branch)
        intent(Intent(target.project_id, branch, target.source_sha, _digest(wanted)))
        commit, changed = _commit(gitlab, target, branch, wanted, run_id, improve)
        if not checked:
            remove_if_protected(gitlab, target.project_id, branch)
    opened = None
    if mode is AutoCommit.MERGE_REQUEST:
        opened = open_draft(
            gitlab, target.project_id, branch, target.target_branch, title, text,
            fresh=changed, again=again,
        )  # fmt: skip
    return Published(
        sha=commit.sha,
        url=commit.url,
        branch=branch,
        merge_request=opened,
        changed=changed,
        kept=kept,
    )


def standing(gitlab: GitLab, target: Target, files: Mapping[str, str]) -> Commit | None:
    """The head of our branch where it holds `files` already, so that there is nothing to commit.

    Only reads. Raises Rejected as `publish` does, and what the client raises.
    """
    wanted, _ = _wanted(files, target.existing)
    found = gitlab.branch(target.project_id, branch_name(target.source_sha))
    if found is None or _changes(gitlab, target.project_id, found, wanted):
        return None
    return found.commit


def _wanted(
    files: Mapping[str, str], existing: frozenset[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files to write, and those that a person's stand in the way of."""
    foreign = sorted(set(files) - MANAGED)
    if foreign or CI_FILE not in files:
        raise Rejected(f"only {', '.join(sorted(MANAGED))} are written, not {foreign or 'nothing'}")
    if CI_FILE in existing:
        raise Rejected(f"the project has a {CI_FILE} already; it is left as it is")
    kept = tuple(sorted(set(files) & existing))
    return {path: text for path, text in sorted(files.items()) if path not in kept}, kept


def _digest(files: Mapping[str, str]) -> str:
    """One hash for paths and contents."""
    return hashlib.sha256(msgspec.json.encode(sorted(files.items()))).hexdigest()


def _commit(
    gitlab: GitLab,
    target: Target,
    branch: str,
    files: Mapping[str, str],
    run_id: str,
    improve: bool,
) -> tuple[Commit, bool]:
    """Our commit, and whether it was made now."""
    message = f"{SUBJECT}\n\n{TRAILER}: {run_id}"
    create = [Action("create", path, text) for path, text in files.items()]
    try:
        made = gitlab.commit(
            target.project_id,
            branch=branch,
            start_sha=target.source_sha,
            message=message,
            actions=create,
        )
        return made, True
    except (Conflict, Unclear):
        found = gitlab.branch(target.project_id, branch)
        if found is None:
            raise
    return _upon(gitlab, target.project_id, found, files, message, improve)


def _upon(
    gitlab: GitLab,
    project_id: int,
    found: Branch,
    files: Mapping[str, str],
    message: str,
    improve: bool,
) -> tuple[Commit, bool]:
    """The branch is there: with our files already, or to be improved where that is allowed."""
    actions = _changes(gitlab, project_id, found, files)
    if not actions:
        return found.commit, False
    if not improve or not is_ours(found.commit.message):
        who = "an earlier run" if is_ours(found.commit.message) else "a person"
        raise Conflict(
            f"the branch {found.name} holds another {actions[0].file_path}, committed by {who};"
            " it is left as it is: merge it, or delete the branch and retrigger"
        )
    try:
        made = gitlab.commit(
            project_id, branch=found.name, start_sha=None, message=message, actions=actions
        )
        return made, True
    except (Conflict, Unclear):
        now = gitlab.branch(project_id, found.name)
        if now is None or _changes(gitlab, project_id, now, files):
            raise
    return now.commit, False


def _changes(
    gitlab: GitLab, project_id: int, found: Branch, files: Mapping[str, str]
) -> list[Action]:
    """What would make the branch hold `files`, each update bound to the state that was seen."""
    actions = []
    for path, text in files.items():
        state = gitlab.file_state(project_id, path, found.sha)
        if state is None:
            actions.append(Action("create", path, text))
        elif state.content != text.encode():
            actions.append(Action("update", path, text, state.last_commit_id))
    return actions
