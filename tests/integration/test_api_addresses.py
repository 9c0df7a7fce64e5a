"""A token goes to `GITLAB_URL` only: hostile values of `repo_url`, and listeners that hear none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import redis

from service.gitlab_access import project_path
from tests.support.service import CALLER_TOKEN, Running, running_service
from workers.embedded import EmbeddedRedis
from workers.errors import Rejected

pytestmark = pytest.mark.timeout(60)

SCHEMES = ["https", "ftp", "file", "gopher", "ws", "git", "ssh", "javascript", "data", "dict",
           "ldap", "tftp", "jar", "netdoc", "php", "unix", "http+unix", "HTTP ",
           "hxxp"]  # fmt: skip
PORTS = (22, 25, 80, 443, 2375, 3306, 5001, 5432, 6379, 8005, 9000, 9200, 10250, 11434, 27017)


class Listener:
    """Counts who connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.heard = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.heard += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


def corpus(ours: str, other: int) -> list[str]:
    """Values that name another place, or ours in a way that two readers read differently."""
    host = ours.removeprefix("http://")
    name, _, port = host.partition(":")
    evil = f"127.0.0.1:{other}"
    hosts = [
        evil, "evil.example", "localhost:" + port, "LOCALHOST:" + port, "127.1:" + port,
        "0:" + port, "0.0.0.0:" + port, "2130706433:" + port, "0x7f000001:" + port,
        "0177.0.0.1:" + port, "127.0.0.1.:" + port, "[::1]:" + port, "[::ffff:127.0.0.1]:" + port,
        "[0:0:0:0:0:ffff:7f00:1]:" + port, "169.254.169.254", "169.254.169.254:" + port,
        "metadata.google.internal", "127.0.0.1.nip.io:" + port, "127.0.0.1.evil.example:" + port,
        "evil.example:" + port, name, f"{name}:", f"{name}:0", f"{name}:80", f"{name}:443",
        f"{name}:0{port}", f"{name}:+{port}", f"{name}:-{port}", f"{name}:{port}0", f"{name}:99999",
        f"{name}: {port}", f"{name}:{port}:{port}", f"{name}:{port}.", f"{name}:x",
        f"{name}:\u0661{port}", f"user@{host}", f"user:pw@{host}", f"{host}@{evil}", f"@{host}",
        f"{host}:@{evil}", f"{evil}@{host}", f"{evil}#@{host}", f"{evil}?@{host}",
        f"{evil}\\@{host}",
        f"{host}\\@{evil}", f"{host}#@{evil}", f"{host}%00.evil.example", f"{host}%2eevil.example",
        f"{host}\x00@{evil}", f"{host}\t@{evil}", f"{host}\n@{evil}", f"{host}\r\nHost: {evil}",
        f"{host} @{evil}", f"{host}%20@{evil}", f"{host}%0d%0a@{evil}", f"{host}.evil.example",
        f"\u24dbocalhost:{port}", f"\uff11\uff12\uff17.0.0.1:{port}",
        f"127\u30020\u30020\u30021:{port}",
        f"127.0.0.1\u200b:{port}", f"\u202e127.0.0.1:{port}", "", ":", "@", "/", "//", "[",
        "]", "[::",
        f"[{name}]:{port}", f"{name}:{port}[", "%31%32%37.0.0.1:" + port, "xn--80ak6aa92e.example",
    ]  # fmt: skip
    paths = [
        "shop/api?x=1", "shop/api#x", "shop/api;x", "shop/../../admin", "../shop/api", "./shop/api",
        "shop/./api", "shop//api", "//evil.example/shop/api", "shop\\api", "shop/api\\..\\x",
        "shop%2Fapi", "shop/%2e%2e/x", "shop/api%00", "shop/api%0d%0aX: y", "shop/api\r\nX: y",
        "shop/api\n", "shop/api\t", " shop/api", "shop/api ", "shop/a pi", "shop", "", "/", "shop/",
        "shop/api/../..", "shop/..", "..", ".", "-/shop/api", "shop/-api", "shop/api/-/tree/main",
        "shop/api@evil", "shop/api:80", "shop/ap\u00ef", "shop/api\u2028", "shop/\ud83d\ude00",
        "shop/api\x7f", "shop/<api>", "shop/api\"", "shop/api'", "shop/`api`", "shop/{api}",
        "shop/api|x", "shop/api^", "shop/[api]", "shop/$(api)", "shop/api&x", "shop/api*",
        "shop/api,x", "shop/api!", "shop/api~", "shop/+api", "shop/=api", "a/" * 30 + "b",
        "shop/" + "a" * 2000, "api/v4/projects?", "shop/api/.", "shop/api/..", "%", "%%", "%zz/b",
        "shop/api%", "shop/\\\\evil", "\\\\evil\\x", "@evil/x", "#/shop/api", "?/shop/api",
    ]  # fmt: skip
    whole = [
        f"//{evil}/shop/api", f"//{host}/shop/api", f"\\\\{evil}\\shop\\api", f"{host}/shop/api",
        "shop/api", "/shop/api", f"http:/{host}/shop/api", f"http:///{host}/shop/api",
        f"http:{host}/shop/api", f"http:\\\\{host}\\shop\\api", f"http://{host}\\shop\\api",
        f" http://{host}/shop/api", f"\thttp://{host}/shop/api", f"\x00http://{host}/shop/api",
        f"http://{host}/shop/api http://{evil}/", f"ht\ntp://{host}/shop/api",
        f"http\u200b://{host}/a/b",
        f"git@{name}:shop/api.git", f"ssh://git@{host}/shop/api.git", f"url:http://{host}/shop/api",
        f"http://http://{host}/shop/api", f"http://{evil}/http://{host}/shop/api", "http://",
        "http:",
        "://", "", " ", "\x00", "x" * 5000,
    ]  # fmt: skip
    return [
        *(f"http://127.0.0.1:{inside}/shop/api" for inside in PORTS),
        *(f"{scheme}://{host}/shop/api" for scheme in SCHEMES),
        *(f"http://{other_host}/shop/api" for other_host in hosts if other_host != host),
        *(f"http://{host}/{path}" for path in paths),
        *whole,
    ]


@pytest.fixture(scope="module")
def service(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


def test_hostile_addresses_are_refused_and_called_by_nobody(
    service: Running, redis_client: redis.Redis
) -> None:
    """Each of 200 and more is 422, with both ways of being allowed; no token leaves."""
    listener = Listener()
    values = corpus(service.settings.gitlab_url, listener.port)
    assert len(set(values)) >= 200
    taken = []
    for value in values:
        body = {"repo_url": value, "gitlab_token": CALLER_TOKEN}
        redis_client.delete(*redis_client.keys("dob:asked:*") or ["none"])  # each its own minute
        if _unencodable(value):
            continue
        for answer in (
            service.http.post("/api/v1/pipeline/workflow", json=body),
            service.api("POST", "/api/v1/pipeline/workflow", json=body),
            service.api("POST", "/api/v1/pipeline/analyze", json={"repo_url": value}),
        ):
            if answer.status_code != 422:
                taken.append((value, answer.status_code))
            assert CALLER_TOKEN not in answer.text
    listener.close()
    assert taken == []
    assert service.gitlab.asked == []
    assert listener.heard == 0
    assert redis_client.exists("dob:runs") == 0


def _unencodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


@pytest.mark.parametrize(
    ("gitlab", "url", "path"),
    [
        ("https://gitlab.example", "https://gitlab.example/shop/api", "shop/api"),
        ("https://gitlab.example", "https://gitlab.example/shop/api.git", "shop/api"),
        ("https://gitlab.example", "https://gitlab.example/shop/api/", "shop/api"),
        ("https://gitlab.example", "https://gitlab.example:443/a/b/c/d_e.f-g", "a/b/c/d_e.f-g"),
        ("https://gitlab.example:443", "https://gitlab.example/a/b", "a/b"),
        ("https://gitlab.example", "HTTPS://GitLab.Example/a/b", "a/b"),
        ("http://[::1]:8929", "http://[::1]:8929/a/b", "a/b"),
        ("http://host:8929/gitlab", "http://host:8929/gitlab/a/b", "a/b"),
    ],
)
def test_addresses_of_our_gitlab_are_taken(gitlab: str, url: str, path: str) -> None:
    """Scheme, host and port are equal; only the path is used."""
    assert project_path(url, gitlab) == path


@pytest.mark.parametrize(
    ("gitlab", "url"),
    [
        ("http://host:8929/gitlab", "http://host:8929/a/b"),
        ("http://host:8929/gitlab", "http://host:8929/gitlabx/a/b"),
        ("http://host:8929/gitlab", "http://host:8929/gitlab/../a/b"),
        ("https://gitlab.example", "http://gitlab.example/a/b"),
        ("http://gitlab.example", "http://gitlab.example:8080/a/b"),
    ],
)
def test_other_places_on_the_same_host_are_refused(gitlab: str, url: str) -> None:
    """Another port, scheme or folder is another place."""
    with pytest.raises(Rejected):
        project_path(url, gitlab)
