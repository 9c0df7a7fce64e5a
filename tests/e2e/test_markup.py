"""Five hundred hostile texts on every page of the dashboard, in a real browser: they stay texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser

from service import dashboard_routes, table
from service.edge import CSP
from tests.support.browser import Watched, outline, outlines
from tests.support.markup import HOSTILE
from tests.support.service import API_TOKEN, Running, running_service
from tests.support.stories import Story
from workers.embedded import EmbeddedRedis
from workers.events import Event
from workers.runs import Commit, File, GraphJob, MergeRequest, Pipeline, Project, State, new_run

pytestmark = pytest.mark.timeout(180)
FIELDS = 5
"""Texts on one page, each once in every place that holds one, and all in each list."""
PLAIN = tuple(f"plain {n}" for n in range(FIELDS))
VISITED = 24


@pytest.fixture(scope="module")
def service(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


def told(story: Story, number: int, texts: Sequence[str]) -> list[str]:
    """A project with a delivery, a run and a dead letter that consist of these texts; its pages.

    Which text stands where turns with the number.
    """
    path, reason, branch, job, language = (texts[(number + n) % FIELDS] for n in range(FIELDS))
    project = 1000 + number
    story.ledger.receive(Event("push", project, path, ref=branch, after="a" * 40))
    run = story.runs.create(
        new_run(Project(project, path, f"http://gitlab.example/{path}"), "push")
    )
    story.move(
        run, State.FAILED, reason, reason=reason, next_step=branch,
        analysis={
            "language": language, "framework": job, "entry_point": path, "confidence": 0.5,
            "apps": [{"path": text, "language": text, "framework": text} for text in texts],
            "evidence": [{"claim": text, "file": text, "line": 3} for text in texts],
        },
        files=tuple(File(text, text) for text in texts),
        graph=tuple(GraphJob(text, "test", (job,)) for text in texts),
        commit=Commit(language, branch, f"http://gitlab.example/{branch}"),
        merge_request=MergeRequest(1, reason), pipeline=Pipeline(1, job, path, "event"),
        learned=dict.fromkeys(["language"], language),
    )  # fmt: skip
    story.ledger.note_project(
        project, {"decision": job, "reason": reason, "next_step": branch, "hook": language}
    )
    return [f"/runs/{run.id}", f"/projects/{project}"]


@contextmanager
def signed_in(service: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as http:
        assert http.post("/login", data={"token": API_TOKEN}).status_code == 303
        yield http


@pytest.mark.browser
def test_five_hundred_texts_stay_texts(browser: Browser, service: Running, story: Story) -> None:
    """As paths, branches, reasons, names of jobs and files: no element and no attribute more than
    with plain words, each text shown as it is, no script run and none that had to be blocked."""
    assert len(HOSTILE) >= 500
    groups = [HOSTILE[n : n + FIELDS] for n in range(0, len(HOSTILE), FIELDS)]
    groups[-1] = HOSTILE[-FIELDS:]
    plain = told(story, 0, PLAIN)
    pages = [told(story, number, texts) for number, texts in enumerate(groups, 1)]
    context = browser.new_context(base_url=service.url)
    seen = Watched(context.new_page())
    with signed_in(service) as http:
        context.add_cookies(
            [{"name": n, "value": v, "url": service.url} for n, v in http.cookies.items()]
        )
        seen.page.goto("/status")
        expected = [shape for shape, _ in outlines(seen.page, [http.get(p).text for p in plain])]
        for texts, paths in zip(groups, pages, strict=True):
            found = outlines(seen.page, [http.get(path).text for path in paths])
            assert [shape for shape, _ in found] == expected, texts
            for text in filter(str.isprintable, texts):
                assert all(" ".join(text.split()) in " ".join(t.split()) for _, t in found), text
        visited = [path for paths in pages[:: len(pages) // VISITED] for path in paths]
        for path in visited:
            seen.page.goto(path)
            assert outline(seen.page) == expected[path.startswith("/projects")], path
        lists(seen, http)
    assert seen.errors == []
    context.close()


def lists(seen: Watched, http: httpx.Client) -> None:
    """Pages that show many: every row of the corpus is made of what a plain row is made of."""
    for page in ("/", "/deliveries"):
        cursor, shapes, rows = "", set[str](), 0
        while True:
            seen.page.goto(page + cursor)
            found: list[str] = seen.page.locator("main tr").evaluate_all(
                "all => all.map(r => [...r.querySelectorAll('*')].map(e => e.tagName + ' '"
                " + [...e.attributes].map(a => a.name)).join())"
            )
            shapes |= set(found)
            rows += len(found)
            more = re.search(rf'href="{page}(\?cursor=[^"]+)"', http.get(page + cursor).text)
            if more is None:
                break
            cursor = more[1]
        assert rows > len(HOSTILE) / FIELDS and len(shapes) <= 3, (page, shapes)


def test_every_route_has_the_strict_headers(service: Running) -> None:
    """Whatever it answers, to whomever, and also what is no route."""
    endpoints = [*table.routes(), *dashboard_routes.routes()]
    asked = [(e.method, re.sub(r"\{[^}]+\}", "x", e.path)) for e in endpoints]
    with signed_in(service) as known, httpx.Client(base_url=service.url, trust_env=False) as other:
        for method, path in [*asked, ("GET", "/no/such"), ("PUT", "/"), ("GET", "/static/app.js")]:
            if path.endswith(("/live", "/events", "/logout")):
                continue
            for http in (other, known):
                headers = http.request(method, path).headers
                assert headers["content-security-policy"] == CSP, (method, path)
                assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in CSP and "default-src 'none'" in CSP and "frame-ancestors 'none'" in CSP
