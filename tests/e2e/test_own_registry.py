"""A site whose images go into GitLab's own registry."""

from __future__ import annotations

from pathlib import Path

from tests.support.world import world


def test_the_image_is_built_without_a_variable_and_its_size_is_told(tmp_path: Path) -> None:
    """The rule asks for what GitLab knows before a job runs; two calls tell the size, once."""
    with world(tmp_path, image_registry="$CI_REGISTRY_IMAGE") as running:
        project = running.born("own", sample="go-hello")
        run = running.run(project)
        assert run["state"] == "succeeded", run["reason"]
        (opened,) = running.forge.merge_requests(project)
        assert "Image size: `app` 23.4 MB." in opened.description
        assert "| `build` | `build_image` | `success` |" in opened.description
        assert "REGISTRY_PASSWORD" not in opened.description
        running.quiet()
        assert len(running.forge.calls("registry")) <= 4, "two for each pipeline of the commit"
