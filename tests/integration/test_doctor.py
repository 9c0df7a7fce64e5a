"""`doctor`: a line for every dependency, whatever the first one says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service import checks
from service.checks import Check
from tests.support.gitlab import Instance
from tests.support.loopback import loopback
from workers.embedded import free_port
from workers.settings import Settings

NAMES = ["gitlab", "token", "hooks", "receiver", "redis", "chroma", "ollama", "registry"]


@pytest.fixture(scope="module")
def no_gitlab() -> Iterator[int]:
    """The port of a web server that is none."""
    with loopback(lambda _: (404, b"")) as port:
        yield port


def found(url: str, data: Path, token: str | None = "glpat-x") -> list[Check]:
    """What it says, by name; the two that go to GitLab were not asked."""
    lines = checks.run(
        Settings.load(
            gitlab_url=url, gitlab_token=token, devops_backend_data=data, ollama_model="",
            image_registry="$CI_REGISTRY_IMAGE", redis_url=None, chroma_url=None,
            devops_backend_url="http://localhost:8000",
        )
    )  # fmt: skip
    assert [line.name for line in lines] == NAMES
    assert [line.state for line in lines] == ["failed"] * 3 + ["ok"] * 5
    return lines


def not_asked(lines: list[Check]) -> bool:
    said = {(line.detail, line.fix) for line in lines[1:3]}
    return said == {("not asked: GitLab is not reachable", "")}


def test_an_address_that_is_no_gitlab(no_gitlab: int, tmp_path: Path) -> None:
    """404: the setting is named with its path, where it has one."""
    below = found(f"http://127.0.0.1:{no_gitlab}/sub", tmp_path)
    assert "404" in below[0].detail and "GITLAB_URL" in below[0].fix and "/sub" in below[0].fix
    top = found(f"http://127.0.0.1:{no_gitlab}", tmp_path)
    assert "GITLAB_URL" in top[0].fix and "under a path" in top[0].fix
    assert not_asked(below) and not_asked(top)


def test_https_to_a_port_that_speaks_http(no_gitlab: int, tmp_path: Path) -> None:
    """Said in words, not in OpenSSL's."""
    lines = found(f"https://127.0.0.1:{no_gitlab}", tmp_path)
    assert lines[0].detail.endswith("https is spoken to a port that speaks http")
    assert not_asked(lines)


def test_a_gitlab_that_is_down(tmp_path: Path) -> None:
    """Its line has the reason; the token is not blamed, nor are webhooks, with or without one."""
    url = f"http://127.0.0.1:{free_port()}"
    for token in ("glpat-x", None):
        lines = found(url, tmp_path, token)
        assert "refused" in lines[0].detail and "GITLAB_URL" in lines[0].fix
        assert not_asked(lines)


@pytest.mark.parametrize(
    ("gitlab", "receiver", "state", "says"),
    [
        ("127.0.0.1", "http://localhost:8000", "ok", "http://localhost:8000"),
        ("127.0.0.2", "http://devops:8000", "ok", "http://devops:8000"),
        ("127.0.0.2", "http://localhost:8000", "degraded", "GitLab's own machine"),
        ("127.0.0.1", None, "ok", "http://localhost:8000"),
        ("127.0.0.2", None, "degraded", "only the default"),
    ],
)
def test_an_address_that_gitlab_cannot_come_back_to(
    gitlab: str, receiver: str | None, state: str, says: str, tmp_path: Path
) -> None:
    """The receiver's own: not known in this shell, or one that means another machine there."""
    given = {"devops_backend_url": receiver} if receiver else {}
    lines = checks.run(
        Settings.load(
            gitlab_url=f"http://{gitlab}:{free_port()}", devops_backend_data=tmp_path,
            ollama_model="", image_registry="$CI_REGISTRY_IMAGE", **given,
        )
    )  # fmt: skip
    [line] = [line for line in lines if line.name == "receiver"]
    assert line.state == state and says in line.detail
    assert ("DEVOPS_BACKEND_URL" in line.fix) == (state != "ok")


def test_a_token_that_is_refused(at: Instance, tmp_path: Path) -> None:
    """Its own line says so; the webhooks' blames no missing right."""
    lines = checks.run(
        Settings.load(
            gitlab_url=at.url,
            gitlab_token="glpat-wrong",
            devops_backend_data=tmp_path,
            ollama_model="",
            image_registry="$CI_REGISTRY_IMAGE",
        )
    )
    assert [line.state for line in lines[:3]] == ["ok", "failed", "failed"]
    assert "GITLAB_TOKEN" in lines[1].fix and lines[2].detail.startswith("not asked: the token")
