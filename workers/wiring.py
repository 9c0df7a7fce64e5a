"""The composition root of the worker processes: settings in, everything wired out."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property

import redis
from pydantic import SecretStr

from workers.clients.chroma import Index
from workers.clients.gitlab import GitLab
from workers.clients.ollama import Model
from workers.connect import connect
from workers.errors import Misconfigured
from workers.pipeline.plan import Site
from workers.pipeline.templates import Templates
from workers.runs import Run
from workers.settings import Settings
from workers.steps.preflight import Preflight
from workers.steps.runners import choose_builder
from workers.store.audit import Audit
from workers.store.budget import Budget
from workers.store.dead import DeadLetters
from workers.store.dry_runs import DryRuns
from workers.store.learned import LearnedStore
from workers.store.ledger import Ledger
from workers.store.lent import Lent
from workers.store.runs import RunStore
from workers.store.sweeps import Sweeps


class Parts:
    """What the steps of a run are given. Each part is made when first asked for.

    `on_call` hears of every GitLab call: method, route, status, seconds.
    """

    def __init__(
        self,
        settings: Settings,
        on_call: Callable[[str, str, int, float], None] | None = None,
    ) -> None:
        self.settings = settings
        self._on_call = on_call

    @cached_property
    def redis(self) -> redis.Redis:
        if self.settings.redis_url is None:
            raise Misconfigured("REDIS_URL: should name a Redis or Valkey server, or use `up`")
        return connect(self.settings.redis_url)

    @property
    def key(self) -> SecretStr:
        """What seals learned records, and encrypts the tokens that callers lend."""
        key = self.settings.with_key(make=False).devops_backend_key
        if key is None:
            raise Misconfigured(
                "DEVOPS_BACKEND_KEY: should be the receiver's; `up` and `serve` keep it in"
                f" {self.settings.devops_backend_data}"
            )
        return key

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.redis)

    @cached_property
    def runs(self) -> RunStore:
        return RunStore(self.redis)

    @cached_property
    def dry_runs(self) -> DryRuns:
        return DryRuns(self.redis)

    @cached_property
    def learned(self) -> LearnedStore:
        return LearnedStore(self.redis, self.key, self.settings.learned_quorum)

    @cached_property
    def sweeps(self) -> Sweeps:
        return Sweeps(self.redis, self.settings.sweep_interval_s)

    @cached_property
    def budget(self) -> Budget:
        return Budget(self.redis, self.settings.commits_per_hour)

    @cached_property
    def dead(self) -> DeadLetters:
        return DeadLetters(self.redis)

    @cached_property
    def index(self) -> Index | None:
        return Index(self.settings.chroma_url) if self.settings.chroma_url else None

    @cached_property
    def gitlab(self) -> GitLab:
        if self.settings.gitlab_token is None:
            raise Misconfigured(
                "GITLAB_TOKEN: should be an access token with scope api "
                "(GitLab: User settings → Access tokens)"
            )
        return self._gitlab(self.settings.gitlab_token)

    def _gitlab(self, token: SecretStr) -> GitLab:
        """GitLab with a token; each write is noted in the audit log, where there is a Redis."""
        audited = self.settings.redis_url is not None
        return GitLab(
            self.settings.gitlab_url, token, on_call=self._on_call,
            on_write=(lambda *call: self.audit.begin(*call)) if audited else None,
        )  # fmt: skip

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.redis)

    @cached_property
    def lent(self) -> Lent:
        return Lent(self.redis, self.key)

    def for_run(self, run: Run) -> Parts:
        """These parts as a run has them: with the token that its caller lent, where one did.

        Raises Denied once that is gone.
        """
        if not run.options.lent:
            return self
        token = self.lent.borrow(run.options.lent, run.project.id)
        parts = copy(self)
        parts.gitlab = self._gitlab(token)
        return parts

    @cached_property
    def templates(self) -> Templates:
        return Templates.load(self.settings.templates_dir)

    @cached_property
    def model(self) -> Model | None:
        settings = self.settings
        if not settings.ollama_model:
            return None
        return Model(settings.ollama_host, settings.ollama_model, settings.ollama_timeout_s)

    def site(self, default_branch: str, seen: Preflight | None = None) -> Site:
        """What generated pipelines need to know of this installation, and of what GitLab showed."""
        settings = self.settings
        builder, _ = choose_builder((), settings.image_builder)
        return Site(
            backend_url=settings.devops_backend_url,
            image_registry=settings.image_registry,
            mirror=settings.image_mirror,
            sonar_host_url=settings.sonar_host_url,
            splunk_hec_url=settings.splunk_hec_url,
            default_branch=default_branch,
            builder=seen.builder if seen else builder,
            runner_tags=seen.runner_tags if seen else (),
        )
