"""Runs, deliveries and learned pipelines as a day of work leaves them, for pages and lists."""

from __future__ import annotations

from typing import Any

import msgspec
import redis

from tests.support.keys import KEY
from workers.events import Event
from workers.runs import (
    Commit,
    File,
    Generation,
    GraphJob,
    MergeRequest,
    Pipeline,
    Project,
    Reference,
    Run,
    State,
    Validation,
    new_run,
)
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline, Provenance
from workers.store.ledger import Ledger
from workers.store.runs import RunStore

CI = """\
stages: [compile, build, test, sast, quality, security, push, notify, learn]

variables:
  DEVOPS_BACKEND_URL: http://localhost:8000

compile:
  stage: compile
  image: golang:1.23
  script:
    - go build ./...
"""
GRAPH = tuple(
    GraphJob(name, stage, needs)
    for name, stage, needs in (
        ("compile", "compile", ()), ("image", "build", ("compile",)),
        ("unit-tests", "test", ("compile",)), ("lint", "test", ("compile",)),
        ("semgrep", "sast", ()), ("secrets", "sast", ()),
        ("sonar", "quality", ("unit-tests",)),
        ("trivy-image-with-a-long-name", "security", ("image",)),
        ("push", "push", ("image", "unit-tests")), ("splunk", "notify", ("push",)),
        ("learn_record", "learn", ("push",)),
    )
)  # fmt: skip
ANALYSIS: dict[str, Any] = {
    "language": "go", "framework": "gin", "package_manager": "go", "version": "1.23",
    "test_tool": "go test", "entry_point": "cmd/api/main.go", "build_command": "go build ./...",
    "test_command": "go test ./...", "monorepo": None, "confidence": 0.97,
    "apps": [{"path": ".", "language": "go", "framework": "gin"}],
    "evidence": [
        {"claim": "language go", "file": "go.mod", "line": 1},
        {"claim": "framework gin", "file": "go.mod", "line": 6},
        {"claim": "version 1.23", "file": "go.mod", "line": 3},
    ],
}  # fmt: skip


class Story:
    """Writes what happened through the program's own stores."""

    def __init__(self, client: redis.Redis) -> None:
        self.ledger = Ledger(client)
        self.runs = RunStore(client)
        self.learned = LearnedStore(client, KEY)

    def move(self, run: Run, state: State, message: str, **fields: Any) -> Run:
        """A run's next state, with a line of progress."""
        return self.runs.update(
            run.id, lambda r: msgspec.structs.replace(r, state=state, **fields), message
        )

    def born(self, project: int, path: str) -> Run:
        """A project is created, and a run begun."""
        receipt = self.ledger.receive(Event("project_created", project, path))
        url = f"http://gitlab.example/{path}"
        run = self.runs.create(
            new_run(Project(project, path, url), "project_created", receipt.delivery)
        )
        self.ledger.note([receipt.delivery], "run", f"run {run.id}", run.id)
        return run

    def whole(self, project: int = 42, path: str = "shop/api") -> Run:
        """From the first delivery to what was learned."""
        run = self.born(project, path)
        url = f"http://gitlab.example/{path}"
        self.move(run, State.ANALYZING, "reading the repository", analysis=ANALYSIS)
        self.move(
            run, State.GENERATING, "starting from the template go-gin",
            reference=Reference("learned", "go-gin-3f2a9c41d0b7e586", 0.83),
        )  # fmt: skip
        self.move(
            run, State.VALIDATING, "GitLab's linter finds no fault",
            generation=Generation("model", "qwen2.5-coder:1.5b", 6.42, 311),
            validation=Validation((), ("job lint has no rules",), "gitlab"),
            files=(File(".gitlab-ci.yml", CI), File("Dockerfile", "FROM golang:1.23\n")),
            graph=GRAPH,
        )  # fmt: skip
        commit = Commit("9f31c2aa07" * 4, "devops-backend/ci-51ac0f", f"{url}/-/commit/9f31c2aa07")
        self.move(run, State.COMMITTING, "committed to devops-backend/ci-51ac0f", commit=commit)
        self.move(
            run, State.AWAITING_PIPELINE, "merge request !1 is open, as a draft",
            merge_request=MergeRequest(1, f"{url}/-/merge_requests/1"),
        )  # fmt: skip
        self.ledger.receive(
            Event(
                "pipeline", project, path, pipeline_id=900, pipeline_status="success", sha="9f" * 20
            )
        )
        self.record("go", "gin", project, run.id)
        return self.move(
            run, State.SUCCEEDED, "the pipeline is green; the merge request is ready",
            pipeline=Pipeline(900, "success", f"{url}/-/pipelines/900", "event"),
            learned={"id": "go-gin-3f2a9c41d0b7e586", "outcome": "succeeded"},
        )  # fmt: skip

    def record(self, language: str, framework: str | None, project: int, run: str) -> str:
        """A learned pipeline with some history; its id."""
        record = LearnedPipeline(
            language=language, framework=framework, template=f"{language}-{framework}",
            template_version="1.0", package_manager="go",
            provenance=Provenance(project_id=project, namespace="shop", run=run, pipeline=900),
        )  # fmt: skip
        for pipeline in range(900, 906):
            self.learned.record_outcome(record, pipeline, "succeeded")
        self.learned.record_outcome(record, 950, "failed")
        return record.id

    def day(self) -> Run:
        """One of each kind of end; gives the whole one."""
        empty = self.born(43, "shop/empty")
        self.move(empty, State.ANALYZING, "reading the repository")
        self.move(
            empty, State.WAITING_FOR_PUSH, "the repository is empty",
            reason="the repository is empty", next_step="push a first commit",
        )  # fmt: skip
        theirs = self.born(44, "tools/has-its-own")
        self.move(theirs, State.SKIPPED, "skipped", reason="it has a .gitlab-ci.yml of its own")
        broken = self.born(45, "tools/broken")
        self.move(broken, State.FAILED, "failed", reason="job unit-tests failed: script failure")
        lost = self.born(46, "tools/lost")
        self.move(lost, State.ERROR, "error", reason="commit: GitLab answered 403 to the push")
        run = self.whole()
        self.ledger.receive(
            Event("push", 42, "shop/api", ref="devops-backend/ci-51ac0f", after="9f" * 20)
        )
        busy = self.born(47, "shop/web")
        self.move(busy, State.GENERATING, "the model fills the plan")
        return run
