"""The dashboard in a real browser, Debian's chromium, over the real service and a real Valkey."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
from playwright.sync_api import Browser, BrowserContext, expect
from pydantic import SecretStr

from service.auth import Access
from service.dashboard_routes import routes
from service.routes import Endpoint
from tests.support.browser import Watched, outline
from tests.support.ollama import OllamaDouble
from tests.support.service import API_TOKEN, Running, Server, payload, running_service, settings_for
from tests.support.stories import ANALYSIS, Story
from workers.embedded import EmbeddedRedis
from workers.events import Event
from workers.runs import Commit, File, GraphJob, MergeRequest, Pipeline, Project, State, new_run

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def server(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


@pytest.fixture
def context(
    browser: Browser, server: Running, redis_client: redis.Redis
) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=server.url)
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Watched]:
    """A signed-in page on which nothing may go wrong."""
    seen = Watched(context.new_page())
    seen.page.goto("/")
    seen.page.fill("#token", API_TOKEN)
    seen.page.click("main button")
    expect(seen.page.locator("h1")).to_have_text("Runs")
    yield seen
    assert seen.errors == []


# -- signing in


def test_signing_in_and_out(context: BrowserContext) -> None:
    """A page leads to the login, the login back to the page, signing out ends it."""
    page = context.new_page()
    page.goto("/deliveries")
    assert page.url.endswith("/login?next=%2Fdeliveries")
    page.fill("#token", "not-the-token")
    page.click("main button")
    expect(page.get_by_role("alert")).to_contain_text("not one of the API tokens")
    page.fill("#token", API_TOKEN)
    page.click("main button")
    expect(page.locator("h1")).to_have_text("Deliveries")
    cookie = context.cookies()[0]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert API_TOKEN not in cookie["value"]
    page.click("text=Sign out")
    expect(page.locator("h1")).to_have_text("Sign in")
    page.goto("/")
    expect(page.locator("h1")).to_have_text("Sign in")


@pytest.mark.parametrize("route", routes(), ids=lambda r: f"{r.method} {r.path}")
def test_every_page_is_denied_without_a_session(
    server: Running, redis_client: redis.Redis, route: Endpoint
) -> None:
    """To the login page, but for itself and the files; a bearer token reads, and does no more."""
    path = route.path.replace("{id:path}", "42").replace("{id}", "42").replace("{name}", "app.css")
    reads = route.method == "GET"
    for headers in ({}, {"Authorization": f"Bearer {API_TOKEN}"}):
        answer = server.http.request(route.method, path, headers=headers)
        if route.operation.access is Access.OPEN:
            assert answer.status_code in (200, 415)
        elif headers and reads:
            assert not answer.headers.get("location", "").startswith("/login")
            assert "set-cookie" not in answer.headers
        else:
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login")
    if reads and route.operation.access is not Access.OPEN:
        wrong = server.http.get(path, headers={"Authorization": "Bearer nobody-knows-this"})
        assert wrong.status_code == 401


@contextlib.contextmanager
def session(server: Running) -> Iterator[httpx.Client]:
    """A client that is signed in."""
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.post("/login", data={"token": API_TOKEN}).status_code == 303
        yield client


def csrf_of(client: httpx.Client) -> str:
    return client.get("/").text.split('name="csrf" value="')[1].split('"')[0]


@pytest.mark.parametrize("form", [{"other": "x"}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "\u00e9"}])
def test_a_form_without_its_token_is_403(
    server: Running, story: Story, form: dict[str, str]
) -> None:
    """A page of another site cannot act, even where a browser sent the cookie."""
    story.ledger.note_project(42, {"path": "shop/api"})
    with session(server) as client:
        for path in ("/projects/42/retrigger", "/logout", "/learned/x/forget", "/chat"):
            assert client.post(path, data=form).status_code == 403
        assert story.runs.page() == []
        good = {"csrf": csrf_of(client)}
        assert client.post("/projects/42/retrigger", data=good).status_code == 303
    assert len(story.runs.page()) == 1


def test_one_sessions_form_token_is_no_others(server: Running, redis_client: redis.Redis) -> None:
    """The token belongs to the session."""
    with session(server) as one, session(server) as other:
        assert other.post("/logout", data={"csrf": csrf_of(one)}).status_code == 403


@pytest.mark.parametrize(
    "change",
    [lambda c: "", lambda c: c[:-2], lambda c: c + "AAAA", lambda c: "9" + c, lambda c: c.upper(),
     lambda c: c[:20] + ("A" if c[20] != "A" else "B") + c[21:], lambda c: "\u00e9" + c,
     lambda c: c[::-1], lambda c: c[:9] + "AAAA" + c[13:]],
)  # fmt: skip
def test_a_forged_session_is_none(server: Running, redis_client: redis.Redis, change: Any) -> None:
    """Every bit of it is signed, its age included."""
    with session(server) as client:
        value = client.cookies["devops-backend"]
    cookie = f"devops-backend={change(value)}".encode()
    answer = server.http.get("/", headers=[(b"Cookie", cookie)])
    assert answer.status_code == 303
    assert server.http.get("/", headers={"Cookie": f"devops-backend={value}"}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "target"),
    [("/runs/1", "/runs/1"), ("//evil.example", "/"), ("/\\evil.example", "/"), ("", "/"),
     ("https://evil.example", "/"), ("javascript:alert(1)", "/"), ("/a\r\nX: y", "/"),
     ("/x?y=1", "/"), ("/" + "a" * 600, "/")],
)  # fmt: skip
def test_signing_in_leads_to_our_own_pages_only(
    server: Running, redis_client: redis.Redis, wanted: str, target: str
) -> None:
    """`next` is a path of ours, or the first page."""
    answer = server.http.post("/login", data={"token": API_TOKEN, "next": wanted})
    server.http.cookies.clear()
    assert answer.headers["location"] == target


def test_over_https_the_cookie_is_secure(redis_server: EmbeddedRedis) -> None:
    """`__Host-` and Secure where DEVOPS_BACKEND_URL says https."""
    with running_service(redis_server.url, devops_backend_url="https://devops.example") as service:
        cookie = service.http.post("/login", data={"token": API_TOKEN}).headers["set-cookie"]
    assert cookie.startswith("__Host-devops-backend=")
    for part in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


def test_a_token_that_reads_has_no_buttons(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """What it may not do is not offered, and refused where it is tried."""
    story = Story(redis_client)
    run = story.day()
    delivery = story.ledger.deliveries()[0].id
    tokens = (SecretStr(f"read:{API_TOKEN}"),)
    with (
        running_service(redis_server.url, devops_backend_api_tokens=tokens) as service,
        session(service) as client,
    ):
        for path in (f"/runs/{run.id}", "/projects/42", "/learned", "/deliveries"):
            text = client.get(path).text
            assert text.count("<form") == 2, path  # to find a project, and to sign out
        form = {"csrf": csrf_of(client)}
        assert client.post(f"/deliveries/{delivery}/replay", data=form).status_code == 403
        assert client.post("/projects/42/retrigger", data=form).status_code == 403
        assert client.post("/logout", data=form).status_code == 303


# -- what is shown


def test_empty_pages_say_what_to_do_next(watched: Watched) -> None:
    """Each names the next step."""
    page = watched.page
    expect(page.locator("main")).to_contain_text("devops-backend hooks install")
    page.click("nav >> text=Learned")
    expect(page.locator("main")).to_contain_text("Nothing learned yet")
    page.click("nav >> text=Deliveries")
    expect(page.locator("main")).to_contain_text("hooks check")
    page.click("nav >> text=Ask")
    expect(page.locator("main")).to_contain_text("OLLAMA_MODEL")


def test_the_list_of_runs_is_live(watched: Watched, story: Story) -> None:
    """A run that begins while the page is open appears, and its state changes, without a reload."""
    page = watched.page
    page.evaluate("window.stayed = true")
    run = story.born(47, "shop/web")
    expect(page.locator("tbody tr")).to_have_count(1)
    story.move(run, State.GENERATING, "working")
    expect(page.locator("tbody .badge")).to_have_text("generating")
    assert page.evaluate("window.stayed")


def test_a_run_shows_what_was_found_made_and_checked(watched: Watched, story: Story) -> None:
    """Steps, analysis with evidence, reference, files, nine stages, links."""
    run = story.day()
    page = watched.page
    page.goto("/")
    expect(page.locator("tbody tr")).to_have_count(6)
    page.click(f"a[href='/runs/{run.id}']")
    main = page.locator("main")
    for text in (
        "shop/api", "succeeded", "go.mod:6", "framework gin", "cmd/api/main.go", "83 %",
        "learned", "qwen2.5-coder:1.5b", "told by an event", "job lint has no rules",
        "stages: [compile, build, test", "reading the repository", "learn_record",
    ):  # fmt: skip
        expect(main).to_contain_text(text)
    expect(page.locator(".graph .stage")).to_have_count(9)
    expect(page.locator(".graph .job")).to_have_count(11)
    expect(
        page.locator("a[href='http://gitlab.example/shop/api/-/merge_requests/1']")
    ).to_be_visible()
    expect(page.locator("a[href='http://gitlab.example/shop/api/-/pipelines/900']")).to_be_visible()
    expect(page.locator(".progress li")).to_have_count(7)
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


def test_a_run_is_followed_to_its_end(watched: Watched, story: Story) -> None:
    """Lines come as they are written; at the end everything is there."""
    run = story.born(47, "shop/web")
    page = watched.page
    page.goto(f"/runs/{run.id}")
    expect(page.locator(".progress li")).to_have_count(1)
    story.move(run, State.ANALYZING, "reading the repository", analysis=ANALYSIS)
    expect(page.locator(".progress li")).to_have_count(2)
    expect(page.locator("#state .badge")).to_have_text("analyzing")
    story.move(run, State.SKIPPED, "skipped", reason="it is archived")
    expect(page.locator("#state .badge.calm")).to_have_text("skipped")
    expect(page.locator("main")).to_contain_text("it is archived")


def test_a_project_tells_why_nothing_happened_and_can_be_run(
    watched: Watched, story: Story
) -> None:
    """Found by its path, told why, started by the button."""
    story.day()
    page = watched.page
    page.fill(".find input", "44")
    page.press(".find input", "Enter")
    expect(page.locator("h1")).to_have_text("tools/has-its-own")
    expect(page.locator("main")).to_contain_text("it has a .gitlab-ci.yml of its own")
    page.check("input[name=force]")
    page.click("main form button >> nth=0")
    expect(page.locator("#state .badge")).to_have_text("queued")
    run = story.runs.page(project=44)[0]
    assert run.trigger.kind == "retrigger" and run.options.force
    page.goto("/projects/44")
    page.click("main form button >> nth=0")
    page.wait_for_url(f"**/runs/{run.id}")  # one is running already: it is shown instead


def test_a_delivery_is_replayed_by_its_button(
    watched: Watched, server: Running, story: Story
) -> None:
    """The project has work again."""
    server.deliver(payload("system_hook_push"))
    project = story.ledger.deliveries()[0].event.project_id
    work = story.ledger.take(project, "generate")
    assert work is not None
    story.ledger.done(work)
    watched.page.goto("/deliveries")
    watched.page.click("button:text('Replay')")
    expect(watched.page.locator("main")).to_contain_text("replayed")
    assert story.ledger.dirty("generate", 2**52) == [project]


def test_health_shows_dependencies_and_queues(watched: Watched, story: Story) -> None:
    """State, latency, what it means, and work that nobody takes."""
    story.day()
    watched.page.click("nav >> text=Health")
    main = watched.page.locator("main")
    for text in ("redis", "chroma", "unconfigured", "ms", "generate", "record"):
        expect(main).to_contain_text(text)
    expect(main.locator("tr", has_text="generate").locator("td").nth(1)).to_have_text("6")


def test_a_learned_pipeline_is_forgotten_by_its_button(watched: Watched, story: Story) -> None:
    """It is gone."""
    story.record("go", "gin", 42, "r")
    watched.page.goto("/learned")
    expect(watched.page.locator("main")).to_contain_text("go / gin")
    watched.page.click("button:text('Forget')")
    expect(watched.page.locator("main")).to_contain_text("Nothing learned yet")


@pytest.mark.parametrize("path", ["/runs/none", "/projects/99", "/projects/no%2Fsuch"])
def test_what_is_not_there_is_a_page(context: BrowserContext, server: Running, path: str) -> None:
    """A person gets a page, with a way back; a known id without events says what to check."""
    page = context.new_page()
    page.goto("/")
    page.fill("#token", API_TOKEN)
    page.click("main button")
    page.goto(path)
    expect(page.locator("main a").first).to_be_visible()
    assert page.locator("h1").inner_text() == "Not Found"


def test_a_narrow_screen_shows_everything(browser: Browser, server: Running, story: Story) -> None:
    """No page is wider than a phone."""
    run = story.day()
    context = browser.new_context(base_url=server.url, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto("/")
    page.fill("#token", API_TOKEN)
    page.click("main button")
    paths = ("/", f"/runs/{run.id}", "/projects/42", "/learned", "/deliveries", "/status", "/chat")
    for path in paths:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    context.close()


# -- hostile text

MARKS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>",
    "' autofocus onfocus=alert(1) x='", "</title><script>alert(1)</script>", "{{7*7}}", "${7*7}",
    "<iframe srcdoc='<script>alert(1)</script>'>", "javascript:alert(1)", "<b>bold</b>",
    "</pre><script>alert(1)</script>", "</textarea><img src=x onerror=alert(1)>", "&lt;b&gt;",
    "<a href=javascript:alert(1)>x</a>", "<style>*{display:none}</style>", "\u202egnp.exe",
    "<math><mi xlink:href=javascript:alert(1)>", "<form action=//evil.example><input name=csrf>",
    "<base href=//evil.example>", "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<link rel=stylesheet href=//evil.example>", "]]><script>alert(1)</script>", "<!--", "-->",
    "<svg><title><script>alert(1)</script></title></svg>", "`${alert(1)}`", "\\u003cscript\\u003e",
]  # fmt: skip


def hostile(story: Story, project: int, text: str, url: str) -> str:
    """A run in which everything that comes from outside is `text`."""
    story.ledger.receive(Event("push", project, text, ref=text, after="a" * 40))
    run = story.runs.create(new_run(Project(project, text, url), "push"))
    story.move(
        run, State.FAILED, text, reason=text, next_step=text,
        analysis={
            "language": text, "framework": text, "entry_point": text, "confidence": 0.5,
            "apps": [{"path": text, "language": text, "framework": text}],
            "evidence": [{"claim": text, "file": text, "line": 3}],
        },
        files=(File(text, text),), graph=(GraphJob(text, "test"), GraphJob("b", text, (text,))),
        commit=Commit(text, text, url), merge_request=MergeRequest(1, url),
        pipeline=Pipeline(1, text, url, "event"), learned={text: text},
    )  # fmt: skip
    story.ledger.note_project(
        project, {"decision": text, "reason": text, "next_step": text, "hook": text}
    )
    return run.id


def test_text_of_strangers_is_text(watched: Watched, story: Story) -> None:
    """Names, branches, messages, files with markup give no element and no attribute more."""
    page = watched.page
    plain = hostile(story, 500, "plain", "http://gitlab.example/x")
    views = {"run": f"/runs/{plain}", "project": "/projects/500"}
    expected = {}
    for name, path in views.items():
        page.goto(path)
        expected[name] = outline(page)
    for number, mark in enumerate(MARKS):
        run = hostile(story, 501 + number, mark, "http://gitlab.example/x")
        for name, path in (("run", f"/runs/{run}"), ("project", f"/projects/{501 + number}")):
            page.goto(path)
            assert outline(page) == expected[name], (name, mark)
    for path in ("/", "/deliveries"):
        page.goto(path)
        assert (
            page.locator("main script, main style, main iframe, main b:not(.chips b)").count() == 0
        )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", " "])
def test_an_address_of_another_scheme_is_no_link(watched: Watched, story: Story, url: str) -> None:
    """Addresses come from GitLab's answers; only http and https become links."""
    run = hostile(story, 600, "x", url)
    watched.page.goto(f"/runs/{run}")
    links = watched.page.locator("main a").evaluate_all(
        "all => all.map(a => a.getAttribute('href'))"
    )
    assert all(link.startswith("/") for link in links)


# -- asking


def test_a_question_is_answered_as_text(
    browser: Browser, redis_server: EmbeddedRedis, story: Story
) -> None:
    """Streamed into the page; links and markup of the answer are none."""
    story.day()
    with OllamaDouble() as ollama:
        ollama.replies.append(
            "It failed. <img src=x onerror=alert(1)> See https://evil.example/?q=1"
        )
        with running_service(
            redis_server.url, ollama_host=ollama.url, ollama_model=ollama.models[0]
        ) as service:
            context = browser.new_context(base_url=service.url)
            seen = Watched(context.new_page())
            page = seen.page
            page.goto("/chat")
            page.fill("#token", API_TOKEN)
            page.click("main button")
            page.fill("#question", "Why did tools/broken fail?")
            page.click("#ask button")
            expect(page.locator(".answer")).to_contain_text("It failed.")
            expect(page.locator(".answer")).to_contain_text("(address removed)")
            assert page.locator(".answer *").count() == 0
            assert "evil.example" not in page.content()
            assert seen.errors == []
            context.close()


def test_a_page_follows_a_run_without_holding_the_shutdown(
    redis_server: EmbeddedRedis, story: Story
) -> None:
    """An open stream does not keep the server from ending within its grace."""
    from service.app import create_app

    run = story.born(47, "shop/web")
    server = Server(create_app(settings_for(redis_server.url)))
    with server:
        opened = threading.Event()

        def listen() -> None:
            headers = {"Authorization": f"Bearer {API_TOKEN}"}
            url = f"{server.url}/api/v1/runs/{run.id}/events"
            try:
                with httpx.stream("GET", url, headers=headers, trust_env=False) as answer:
                    opened.set()
                    for _ in answer.iter_bytes():
                        continue
            except httpx.HTTPError:
                return

        listener = threading.Thread(target=listen)
        listener.start()
        assert opened.wait(5)
        began = time.monotonic()
    assert time.monotonic() - began < 6
    listener.join(5)
    assert not listener.is_alive()
