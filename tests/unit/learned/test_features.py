"""The words of a stack: from our own tables, nothing of the repository's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.detect.analysis import Analysis, App, Evidence, Service
from workers.steps.features import features


def test_a_stack_in_words() -> None:
    """Tools by kind, and dependencies that the tables of detection name."""
    analysis = Analysis(
        language="python",
        framework="fastapi",
        package_manager="poetry",
        test_tool="pytest",
        linters=("ruff",),
        features=("fastapi", "pytest"),
    )
    assert features(analysis) == (
        "framework:fastapi",
        "language:python",
        "linter:ruff",
        "manager:poetry",
        "test:pytest",
        "uses:fastapi",
        "uses:pytest",
    )


def test_a_projects_own_names_stay_out() -> None:
    """Private packages, scripts, paths, services and facts never become words."""
    secret = "acme-secret-tenant-a"
    analysis = Analysis(
        language="python",
        features=("fastapi", secret, f"@{secret}/core"),
        entry_point=f"{secret}/main.py",
        commands={"test": (f"make {secret}",), secret: ("x",)},
        services=(Service(secret),),
        apps=(App(secret, "python"),),
        manifests=(f"{secret}/pyproject.toml",),
        facts={"module": secret},
        evidence=(Evidence(secret, secret),),
        questions=(secret,),
    )
    assert features(analysis) == ("language:python", "uses:fastapi")


@given(st.lists(st.text(max_size=60), max_size=5))
def test_tool_names_are_plain_words(names: list[str]) -> None:
    """Even a detection gone wrong puts no control character, quote or long text into a word."""
    for word in features(Analysis(language="go", linters=tuple(names))):
        assert word.isascii()
        assert word.isprintable()
        assert len(word) < 60
