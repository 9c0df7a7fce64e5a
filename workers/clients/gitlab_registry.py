"""What GitLab's own container registry holds of a project."""

from __future__ import annotations

import msgspec

from workers.clients.gitlab_ci_types import Image
from workers.clients.gitlab_repository import Repository
from workers.errors import Denied, NotFound

MAX_IMAGES = 5


class _Repository(msgspec.Struct):
    id: int
    name: str = ""


class _Tag(msgspec.Struct):
    total_size: int | None = None


class Registry(Repository):
    """Images of a project."""

    def images(self, project_id: int, tag: str) -> tuple[Image, ...]:
        """The images tagged `tag` in GitLab's own registry, the first few; caches left out.

        One call, and one for each image (doc/api/container_registry.md). Empty where the project
        has no registry, or the token may not read it.
        """
        try:
            answer = self.get("/projects/{}/registry/repositories", project_id, per_page=20)
            found = [r for r in answer.decode(list[_Repository]) if not r.name.endswith("cache")]
            sizes = [(r.name, self._size(project_id, r.id, tag)) for r in found[:MAX_IMAGES]]
        except (NotFound, Denied):
            return ()
        return tuple(Image(name, size) for name, size in sizes if size)

    def _size(self, project_id: int, repository: int, tag: str) -> int | None:
        template = "/projects/{}/registry/repositories/{}/tags/{}"
        try:
            return self.get(template, project_id, repository, tag).decode(_Tag).total_size
        except NotFound:
            return None
