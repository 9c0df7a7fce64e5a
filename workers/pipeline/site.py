"""What the operator's settings say to every pipeline."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from workers.errors import Misconfigured

Builder = Literal["kaniko", "buildkit", "buildah", "docker"]
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_REGISTRY = re.compile(r"\$CI_REGISTRY_IMAGE|[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*")


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator's settings say to every pipeline. None: not configured.

    `image_registry` may be `$CI_REGISTRY_IMAGE`, GitLab's own registry. `mirror` is the host (and
    path) that proxies Docker Hub for jobs and base images alike.
    """

    backend_url: str = "http://localhost:8000"
    image_registry: str = "ai-nexus:5001/apm-repo/demo"
    sonar_host_url: str | None = None
    splunk_hec_url: str | None = None
    default_branch: str = "main"
    builder: Builder = "kaniko"
    mirror: str | None = None
    runner_tags: tuple[str, ...] = ()

    def values(self) -> dict[str, str]:
        """The texts that fill a template's `$[[ … ]]` of the site; "" where not configured.

        Raises Misconfigured when one would not be a plain address.
        """
        texts = {
            "backend_url": self.backend_url,
            "image_registry": self.image_registry,
            "sonar_host_url": self.sonar_host_url or "",
            "splunk_hec_url": self.splunk_hec_url or "",
            "base_registry": self.mirror or "docker.io",
        }
        for name, text in texts.items():
            pattern = _REGISTRY if name.endswith("registry") else _URL
            if text and not pattern.fullmatch(text):
                raise Misconfigured(f"{name.upper()}: {text!r} cannot stand in a pipeline")
        return texts

    def facts(self) -> dict[str, str]:
        """What conditions ask as `site.*`."""
        own = self.image_registry.startswith("$CI_REGISTRY_IMAGE")
        return {
            "builder": self.builder,
            "registry": "gitlab" if own else "other",
            "sonar": "true" if self.sonar_host_url else "",
            "splunk": "true" if self.splunk_hec_url else "",
        }
