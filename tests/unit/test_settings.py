"""Settings: each wrong value is one line that names the variable; secrets never show."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
import yaml

from service.keys import Keys
from service.start import settings_environment
from workers.errors import Misconfigured
from workers.kept import hashed
from workers.settings import AutoCommit, Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine, no `.env` of the checkout."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_the_contracts() -> None:
    """What the contract's table says, without any variable set."""
    settings = Settings.load()
    assert settings.gitlab_url == "http://localhost:8929"
    assert settings.devops_backend_url == "http://localhost:8000"
    assert settings.ollama_host == "http://localhost:11434"
    assert (settings.poll_interval_s, settings.poll_limit_s) == (30, 900)
    assert settings.image_registry == "ai-nexus:5001/apm-repo/demo"
    assert settings.image_builder == "auto"
    assert settings.sonar_host_url == "http://ai-sonarqube:9000"
    assert settings.auto_commit is AutoCommit.MERGE_REQUEST
    assert settings.redis_url is None and settings.splunk_hec_url is None


def test_short_secrets_are_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the operator's choice; what can be guessed is said, never the secret itself."""
    monkeypatch.setenv("GITLAB_WEBHOOK_SECRET", "s3cret,a-secret-of-enough-letters")
    monkeypatch.setenv("DEVOPS_BACKEND_API_TOKENS", "a-token-of-enough-letters")
    settings = Settings.load()
    assert [s.get_secret_value() for s in settings.gitlab_webhook_secret][0] == "s3cret"
    assert settings.guessable() == ["GITLAB_WEBHOOK_SECRET"]


def test_ollamas_address_as_ollama_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own program reads the same variable, without a scheme."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:11434")
    assert Settings.load().ollama_host == "http://127.0.0.1:11434"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GITLAB_URL", "gitlab.example.com", "http"),
        ("GITLAB_URL", "https://user:pw@gitlab.example.com", "without user"),
        ("GITLAB_URL", "http://gitlab:99999", "http"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("IMAGE_REGISTRY", "a b", "$CI_REGISTRY_IMAGE"),
        ("POLL_INTERVAL_S", "soon", "number"),
        ("POLL_LIMIT_S", "-1", "greater"),
        ("AUTO_COMMIT", "yes", "merge_request"),
        ("IMAGE_BUILDER", "podman", "kaniko"),
        ("IMAGE_MIRROR", "https://nexus:5001", "mirror"),
        ("IMAGE_MIRROR", "$CI_REGISTRY", "mirror"),
        ("LOG_LEVEL", "loud", "info"),
        ("GITLAB_SIGNING_TOKEN", "abc", "whsec_"),
        ("DEVOPS_BACKEND_KEY", "not-long-enough-for-a-key", "32"),
        ("LEARNED_QUORUM", "0", "greater"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_variables_name(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause and what it should be; the value itself is never repeated (it may be a secret)."""
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as error:
        Settings.load()
    text = str(error.value)
    assert text.startswith(f"{name}: ") and says in text and "\n" not in text
    assert value not in text.partition(":")[2] or value == "yes"


def test_the_example_file_loads_and_names_every_setting(tmp_path: Path) -> None:
    """`.env.example`, copied as it is, starts the program; no setting is missing from it."""
    example = (ROOT / ".env.example").read_text()
    (tmp_path / ".env").write_text(example)
    assert Settings.load() == Settings.load(_env_file=None)
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_secrets_do_not_show() -> None:
    """Neither in the settings' repr nor in an error."""
    settings = Settings.load(
        gitlab_token="glpat-CANARY0123456789abcd",
        gitlab_webhook_secret="canary-secret-0123456789",
        devops_backend_key="canary-key-0123456789-0123456789",
        devops_backend_api_tokens="canary-token-0123456789",
    )
    assert "CANARY" not in repr(settings) and "canary" not in repr(settings)


def test_what_is_missing_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """Webhook secret and API token survive a restart; only the owner may read them."""
    first, made = Settings.load(devops_backend_data=tmp_path / "data").with_secrets()
    again, made_again = Settings.load(devops_backend_data=tmp_path / "data").with_secrets()
    assert made_again == [] and len(made[0]) >= 40
    assert first.devops_backend_api_tokens == again.devops_backend_api_tokens
    assert first.devops_backend_api_tokens[0].get_secret_value() == hashed(made[0])
    assert first.gitlab_webhook_secret == again.gitlab_webhook_secret
    assert first.devops_backend_key == again.devops_backend_key is not None
    for path in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_api_token_is_kept_as_its_hash(tmp_path: Path) -> None:
    """No file of the data folder holds the token that was printed; one that a version of before
    kept as it is, is hashed and works on."""
    settings = Settings.load(devops_backend_data=tmp_path)
    _, (token,) = settings.with_secrets()
    assert token not in "".join(path.read_text() for path in tmp_path.iterdir())
    (tmp_path / "api-token").write_text("a-token-of-a-version-before\n")
    after, made = settings.with_secrets()
    assert made == []
    assert (tmp_path / "api-token").read_text() == hashed("a-token-of-a-version-before") + "\n"
    assert after.devops_backend_api_tokens == settings.with_secrets()[0].devops_backend_api_tokens
    assert stat.S_IMODE((tmp_path / "api-token").stat().st_mode) == 0o600
    keys = Keys(after.devops_backend_api_tokens, after.devops_backend_key, secure=False)  # type: ignore[arg-type]
    assert keys.caller("a-token-of-a-version-before") is not None
    assert keys.caller(token) is None and keys.caller(hashed(token)) is None


def test_only_looking_makes_no_secret(tmp_path: Path) -> None:
    """A command that checks something leaves no secret behind that the service does not know."""
    settings = Settings.load(devops_backend_data=tmp_path / "data")
    assert settings.with_webhook_secret(make=False).with_key(make=False) == settings
    assert not (tmp_path / "data").exists()
    made, _ = settings.with_secrets()
    kept = settings.with_webhook_secret(make=False)
    assert kept.gitlab_webhook_secret == made.gitlab_webhook_secret


def test_a_data_folder_that_cannot_be_used_is_said_plainly(tmp_path: Path) -> None:
    """The variable's name and the system's reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="DEVOPS_BACKEND_DATA: .*"):
        Settings.load(devops_backend_data=tmp_path / "file" / "data").with_secrets()


def test_children_get_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `up` made complete is what its processes read from their environment."""
    settings, _ = Settings.load(
        devops_backend_data=tmp_path,
        gitlab_token="glpat-abc",
        redis_url="unix:///x",
        ollama_model="",
    ).with_secrets()
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings


class TestCompose:
    """`compose.yaml` as data: what it sets is what the program reads."""

    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    ours = ("service", "workers", "ticker")

    def test_it_has_every_part(self) -> None:
        """The program's three processes, the stores, and the tools by profile."""
        services = self.compose["services"]
        assert set(services) >= {*self.ours, "redis", "chromadb", "ollama"}
        by_profile = {p: n for n, s in services.items() for p in s.get("profiles", [])}
        assert set(by_profile) == {"gitlab", "tools"}
        ports = " ".join(str(p) for s in services.values() for p in s.get("ports", []))
        assert all(port in ports for port in ("8000", "8929", "11434", "9000", "5001"))
        assert "8005" in services["chromadb"]["command"]
        assert services["redis"]["command"][1:3] == ["--appendonly", "yes"]

    @pytest.mark.parametrize("name", ours)
    def test_every_variable_is_a_setting_and_its_default_is_valid(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every setting, so that none in `.env` is passed over; the defaults start it."""
        environment = self.compose["services"][name]["environment"]
        known = {field.upper() for field in Settings.model_fields}
        assert set(environment) == known
        for variable, value in environment.items():
            default = re.sub(r"\$\{[A-Z_]+(?::?-([^}]*))?\}", lambda m: m[1] or "", str(value))
            monkeypatch.setenv(variable, default)
        settings = Settings.load()
        assert settings.redis_url and settings.chroma_url == "http://chromadb:8005"

    def test_images_are_pinned_and_containers_confined(self) -> None:
        """An exact version each; ours and the stores run unprivileged on a read-only root."""
        for name, service in self.compose["services"].items():
            tag = service["image"].rpartition(":")[2]
            assert re.search(r"\d+\.\d+", tag) and "latest" not in tag, name
            assert "healthcheck" in service and "privileged" not in service, name
        for name in (*self.ours, "redis", "chromadb"):
            service = self.compose["services"][name]
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name
            assert not str(service["user"]).startswith(("0", "root")), name

    def test_the_stores_are_not_reachable_from_outside(self) -> None:
        """Neither publishes a port; both stand in an internal network only."""
        for name in ("redis", "chromadb"):
            service = self.compose["services"][name]
            assert "ports" not in service and service["networks"] == ["inside"]
        assert self.compose["networks"]["inside"]["internal"] is True

    def test_chroma_server_and_client_are_of_one_version(self) -> None:
        """Its stores have no downgrade."""
        version = self.compose["services"]["chromadb"]["image"].rpartition(":")[2]
        assert f"chromadb=={version} " in (ROOT / "requirements.lock").read_text()
