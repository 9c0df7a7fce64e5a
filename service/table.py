"""Every route of the API, with what its document says of it."""

from __future__ import annotations

from typing import Any

from service import (
    chat,
    dry_runs,
    health,
    operations,
    pipelines,
    probes,
    projects,
    runs,
    webhooks,
)
from service.auth import Access
from service.keys import Role
from service.routes import Answer, Endpoint, Operation, Parameter
from workers.runs import Run, State
from workers.store.budget import BudgetState
from workers.store.learned_origins import Revoked
from workers.store.sweeps import Report

RUN_ID = Parameter("id", "path", "A run's id")
PROJECT = Parameter("id", "path", "A project's id, or its URL-encoded path")
CURSOR = Parameter("cursor", "query", "`next` of the answer before")
LIMIT = Parameter("limit", "query", "How many, 1 to 200; 50 where not said", int)
OF_PROJECT = Parameter("project", "query", "Only of this project: its id or path")
PREFER = Parameter("Prefer", "header", "`wait=N`: answer when the commit exists, N at most 120 s")
LOCATION = {"Location": "Where the run is"}


def routes() -> list[Endpoint]:
    """The whole API."""
    return [
        *_hooks(), *_pipeline(), *_runs(), *_projects(), *_records(), *_care(), *_operations(),
    ]  # fmt: skip


def _hooks() -> list[Endpoint]:
    return [
        Endpoint("POST", "/webhooks/gitlab", webhooks.receive, Operation(
            summary="Take in one delivery of a system, group or project webhook",
            access=Access.HOOK, tag="Webhooks", body=dict[str, Any],
            parameters=(
                Parameter("X-Gitlab-Token", "header", "The secret, unless the delivery is signed"),
                Parameter("webhook-id", "header", "The delivery's own key; equal when sent again"),
                Parameter("webhook-timestamp", "header", "Unix seconds; signed", int),
                Parameter("webhook-signature", "header", "List of `v1,<base64>`"),
                Parameter("Idempotency-Key", "header", "As webhook-id, from GitLab before 19.0"),
            ),
            answers={
                202: Answer("Stored", webhooks.Accepted),
                200: Answer("Known, or no work", webhooks.Duplicate | webhooks.Ignored),
            },
        )),
    ]  # fmt: skip


def _pipeline() -> list[Endpoint]:
    return [
        Endpoint("POST", "/api/v1/pipeline/workflow", pipelines.workflow, Operation(
            summary="Give a project a pipeline", access=Access.CALLER, tag="Pipelines",
            description="Without a bearer token, gitlab_token has to prove Developer rights.",
            body=pipelines.Workflow, parameters=(PREFER,),
            answers={
                202: Answer("The run", Run, headers=LOCATION),
                200: Answer("The run, with its commit", Run, headers=LOCATION),
            },
            errors=(403, 404, 409, 415, 422, 500),
        )),
        Endpoint("POST", "/api/v1/projects/{id:path}/retrigger", pipelines.retrigger, Operation(
            summary="Run again for a project", tag="Pipelines", body=pipelines.Retrigger,
            parameters=(PROJECT, PREFER),
            answers={
                202: Answer("The run", Run, headers=LOCATION),
                200: Answer("The run, with its commit", Run, headers=LOCATION),
            },
            errors=(403, 404, 409, 415, 422, 500),
        )),
        Endpoint("POST", "/api/v1/pipeline/analyze", dry_runs.analyze, Operation(
            summary="What a project is, with the evidence; nothing is written", tag="Dry runs",
            body=dry_runs.DryRunRequest, errors=(403, 404, 415, 422, 500, 504),
            answers={200: Answer("The analysis", dict[str, Any])},
        )),
        Endpoint("POST", "/api/v1/pipeline/generate", dry_runs.generate, Operation(
            summary="The files a run would commit; nothing is written", tag="Dry runs",
            body=dry_runs.DryRunRequest, errors=(403, 404, 415, 422, 500, 504),
            answers={200: Answer("Analysis, reference and files", dict[str, Any])},
        )),
        Endpoint("POST", "/api/v1/pipeline/validate", dry_runs.validate, Operation(
            summary="What is wrong with a .gitlab-ci.yml", tag="Dry runs",
            body=dry_runs.Validate, errors=(415, 422, 500, 504),
            answers={200: Answer("Errors and warnings", dict[str, Any])},
        )),
    ]  # fmt: skip


def _runs() -> list[Endpoint]:
    return [
        Endpoint("GET", "/api/v1/runs", runs.list_runs, Operation(
            summary="Runs, newest first, without the files' text", tag="Runs",
            parameters=(OF_PROJECT, Parameter("state", "query", "Only in this state", State),
                        CURSOR, LIMIT),
            answers={200: Answer("Runs", runs.RunPage)}, errors=(404, 422),
        )),
        Endpoint("GET", "/api/v1/runs/{id}", runs.one_run, Operation(
            summary="One run", tag="Runs", parameters=(RUN_ID,),
            answers={200: Answer("The run", Run)}, errors=(404,),
        )),
        Endpoint("GET", "/api/v1/runs/{id}/events", runs.run_events, Operation(
            summary="A run's progress as server-sent events", tag="Runs",
            description="Events `progress` (state, message, at), then `end` (the run).",
            parameters=(RUN_ID, Parameter("Last-Event-ID", "header", "Go on after this event")),
            answers={200: Answer("Ends with the run", str, "text/event-stream")}, errors=(404,),
        )),
    ]  # fmt: skip


def _projects() -> list[Endpoint]:
    return [
        Endpoint("GET", "/api/v1/projects/{id:path}", projects.one, Operation(
            summary="Why something happened to a project, or nothing", tag="Projects",
            parameters=(PROJECT,), answers={200: Answer("The project", projects.ProjectStatus)},
            errors=(404, 422),
        )),
    ]  # fmt: skip


def _records() -> list[Endpoint]:
    return [
        Endpoint("GET", "/api/v1/learned", runs.list_learned, Operation(
            summary="What has been learned", tag="Learned",
            parameters=(Parameter("language", "query", "Only of this language"), CURSOR, LIMIT),
            answers={200: Answer("Learned pipelines", runs.LearnedPage)}, errors=(422,),
        )),
        Endpoint("DELETE", "/api/v1/learned/{id}", runs.forget_learned, Operation(
            summary="Forget a learned pipeline", tag="Learned",
            parameters=(Parameter("id", "path", "A learned pipeline's id"),),
            answers={204: Answer("Forgotten")}, errors=(404, 422),
        )),
        Endpoint("DELETE", "/api/v1/learned", runs.revoke_learned, Operation(
            summary="Take back all that a group or project taught, and learn no more of it",
            tag="Learned", parameters=(
                Parameter("origin", "query", "A top-level group, or a project's id or path"),
            ),
            answers={200: Answer("What was taken back", Revoked)}, errors=(404, 422),
        )),
        Endpoint("GET", "/api/v1/deliveries", runs.list_deliveries, Operation(
            summary="The ledger of deliveries, newest first", tag="Deliveries",
            parameters=(OF_PROJECT, CURSOR, LIMIT),
            answers={200: Answer("Deliveries", runs.DeliveryPage)}, errors=(404, 422),
        )),
        Endpoint("POST", "/api/v1/deliveries/{id}/replay", runs.replay, Operation(
            summary="Carry a delivery out again", tag="Deliveries",
            parameters=(Parameter("id", "path", "A delivery's id"),),
            answers={202: Answer("It will be", runs.Replayed)}, errors=(404,),
        )),
        Endpoint("POST", "/api/v1/chat", chat.chat, Operation(
            summary="Ask about runs and learned pipelines", tag="Chat", role=Role.READ,
            body=chat.Chat,
            description="Server-sent events `text` and `end`; one JSON with Accept: "
            "application/json.",
            answers={200: Answer("The answer", chat.Reply)},
            errors=(404, 415, 422),
        )),
    ]  # fmt: skip


def _care() -> list[Endpoint]:
    return [
        Endpoint("GET", "/api/v1/budget", operations.show_budget, Operation(
            summary="Commits to all projects in the last hour, and of how many", tag="Operations",
            answers={200: Answer("The budget", BudgetState)},
        )),
        Endpoint("POST", "/api/v1/budget/reset", operations.reset_budget, Operation(
            summary="Let commits go on after the budget was spent", tag="Operations",
            answers={200: Answer("The budget", BudgetState)},
        )),
        Endpoint("GET", "/api/v1/dead", operations.list_dead, Operation(
            summary="Work that was given up: it waits for a person", tag="Operations",
            parameters=(CURSOR, LIMIT),
            answers={200: Answer("Dead letters", operations.DeadPage)}, errors=(422,),
        )),
        Endpoint("POST", "/api/v1/dead/{id}/replay", operations.replay_dead, Operation(
            summary="Set the work of a dead letter going again", tag="Operations",
            parameters=(Parameter("id", "path", "A dead letter's id"),),
            answers={202: Answer("It will be", operations.Revived)}, errors=(404, 409),
        )),
        Endpoint("GET", "/api/v1/audit", operations.list_audit, Operation(
            summary="Every write sent to GitLab: who, why, for which run, what came of it",
            role=Role.ADMIN, tag="Operations",
            parameters=(OF_PROJECT, Parameter("since", "query", "Not older: RFC 3339"),
                        CURSOR, LIMIT),
            answers={200: Answer("Writes", operations.AuditPage)}, errors=(403, 404, 422),
        )),
        Endpoint("GET", "/api/v1/sweep", operations.last_sweep, Operation(
            summary="What the sweep at work, else the last one, found", tag="Operations",
            answers={200: Answer("The report", Report)},
        )),
        Endpoint("POST", "/api/v1/sweep", operations.ask_sweep, Operation(
            summary="Look at all projects now for what GitLab never told", tag="Operations",
            answers={202: Answer("It will be", operations.Asked)},
        )),
    ]  # fmt: skip


def _operations() -> list[Endpoint]:
    return [
        Endpoint("GET", "/health", probes.health, Operation(
            summary="Each dependency, its state and latency", access=Access.OPEN, tag="Health",
            answers={200: Answer("Up, or degraded", health.Report),
                     503: Answer("Redis is gone", health.Report)},
        )),
        Endpoint("GET", "/health/live", probes.live, Operation(
            summary="The process answers", access=Access.OPEN, tag="Health",
            answers={200: Answer("It does", health.Liveness)},
        )),
        Endpoint("GET", "/health/ready", probes.ready, Operation(
            summary="Deliveries can be stored", access=Access.OPEN, tag="Health",
            answers={200: Answer("They can", health.Liveness),
                     503: Answer("Redis is gone", health.Liveness)},
        )),
        Endpoint("GET", "/metrics", probes.metrics, Operation(
            summary="Figures for Prometheus", access=Access.LOCAL, tag="Health",
            answers={200: Answer("Text format", str, "text/plain")},
        )),
        Endpoint("GET", "/openapi.json", probes.openapi, Operation(
            summary="This document", access=Access.OPEN, tag="Health",
            answers={200: Answer("OpenAPI 3.1", dict[str, Any])},
        )),
    ]  # fmt: skip
