"""Every route of the dashboard, with what the document says of it."""

from __future__ import annotations

from typing import Any

from service import dashboard, dashboard_state, sign_in
from service.auth import Access
from service.keys import Role
from service.routes import Answer, Endpoint, EndpointFunction, Operation, Parameter

ID = Parameter("id", "path", "An id")
HTML = "text/html"
FORM = "application/x-www-form-urlencoded"
BACK = Answer("Done; go on there", headers={"Location": "Where"})


def routes() -> list[Endpoint]:
    """All pages, forms and files."""
    return [
        Endpoint("GET", "/login", sign_in.login_page, Operation(
            summary="Where a token is asked for", access=Access.OPEN, tag="Dashboard",
            parameters=(Parameter("next", "query", "Where to go on"),),
            answers={200: Answer("A page", str, HTML)},
        )),
        Endpoint("POST", "/login", sign_in.login, Operation(
            summary="Make a session from an API token", access=Access.OPEN, tag="Dashboard",
            body=dict[str, Any], body_media=FORM,
            answers={303: BACK, 401: Answer("The page again", str, HTML),
                     429: Answer("The page again", str, HTML)},
            errors=(415,),
        )),
        _page("/", dashboard.runs_page, "Runs", "state", "cursor", errors=(404, 422)),
        _page("/runs/{id}", dashboard.run_page, "One run", errors=(404,)),
        Endpoint("GET", "/runs/{id}/live", dashboard.live, Operation(
            summary="A run's progress, for its page", access=Access.SESSION, tag="Dashboard",
            parameters=(ID, Parameter("after", "query", "Go on after this event"),
                        Parameter("Last-Event-ID", "header", "Go on after this event")),
            answers={200: Answer("Server-sent events", str, "text/event-stream")}, errors=(404,),
        )),
        _page("/projects/{id:path}", dashboard.project_page, "One project", errors=(404, 422)),
        _page("/learned", dashboard.learned_page, "Learned pipelines", "cursor", errors=(422,)),
        _page("/deliveries", dashboard.deliveries_page, "Deliveries", "cursor", errors=(422,)),
        _page("/dead", dashboard_state.dead_page, "Given up", "cursor", errors=(422,)),
        _page("/status", dashboard_state.health_page, "Dependencies and queues"),
        _page("/chat", dashboard.chat_page, "Questions"),
        Endpoint("GET", "/projects", dashboard.find_project, Operation(
            summary="From a project's id or path to its page", access=Access.SESSION,
            tag="Dashboard", parameters=(Parameter("name", "query", "Id or path"),),
            answers={303: BACK}, errors=(404, 422),
        )),
        _form("/logout", sign_in.logout, "End the session", role=Role.READ),
        _form("/projects/{id:path}/retrigger", dashboard.retrigger, "Run again", 404, 422),
        _form("/learned/{id}/forget", dashboard.forget, "Forget", 404, role=Role.ADMIN),
        _form("/deliveries/{id}/replay", dashboard.replay, "Carry a delivery out again", 404),
        _form("/sweep", dashboard_state.sweep, "Look at all projects now"),
        _form("/budget/reset", dashboard_state.reset_budget, "Let commits go on"),
        _form("/dead/{id}/replay", dashboard_state.replay_dead, "Set it going again", 404, 409),
        Endpoint("POST", "/chat", dashboard.ask, Operation(
            summary="Ask, from the page", role=Role.READ, access=Access.SESSION, tag="Dashboard",
            body=dict[str, Any], body_media=FORM,
            answers={200: Answer("Server-sent events", str, "text/event-stream")},
            errors=(404, 415, 422, 503),
        )),
        Endpoint("GET", "/static/{name}", dashboard.static, Operation(
            summary="Style sheet, script, icon", access=Access.OPEN, tag="Dashboard",
            parameters=(Parameter("name", "path", "A file's name"),),
            answers={200: Answer("The file")}, errors=(404,),
        )),
    ]  # fmt: skip


def _ids(path: str) -> tuple[Parameter, ...]:
    return (ID,) if "{id" in path else ()


def _page(
    path: str, endpoint: EndpointFunction, summary: str, *query: str, errors: tuple[int, ...] = ()
) -> Endpoint:
    asked = tuple(Parameter(name, "query", "As in the API") for name in query)
    return Endpoint("GET", path, endpoint, Operation(
        summary=summary, access=Access.SESSION, tag="Dashboard", parameters=_ids(path) + asked,
        answers={200: Answer("A page", str, HTML),
                 303: Answer("To the login page", headers={"Location": "Where"})},
        errors=errors,
    ))  # fmt: skip


def _form(
    path: str, endpoint: EndpointFunction, summary: str, *errors: int, role: Role = Role.OPERATE
) -> Endpoint:
    return Endpoint("POST", path, endpoint, Operation(
        summary=summary, access=Access.SESSION, tag="Dashboard", parameters=_ids(path),
        role=role, body=dict[str, Any], body_media=FORM, answers={303: BACK},
        errors=(415, *errors),
    ))  # fmt: skip
