"""`demo`, `up`, `serve`, `work`: the programs that stay up."""

from __future__ import annotations

from typing import Annotated

import structlog
import typer

from workers.settings import Settings

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port; default: that of DEVOPS_BACKEND_URL.")
]
Fd = Annotated[
    int | None, typer.Option(help="A listening socket to take over, as systemd hands it on (3).")
]
Processes = Annotated[int, typer.Option(min=1, max=64, help="Worker processes per queue.")]


RECEIVER_S = 10.0
"""For so long workers wait for secrets that a receiver beside them makes at its first start."""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(demo)
    app.command()(up)
    app.command()(serve)
    app.command()(work)
    app.command("_worker", hidden=True)(worker)
    app.command("tick")(ticker)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up afterwards and print the dashboard's address.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the runs as JSON.")] = False,
) -> None:
    """Show the whole loop on this machine: two projects are born in a GitLab sandbox.

    Nothing needs to be configured and nothing is left running. What the sandbox simulates is
    labelled as simulated.
    """
    from service import demo as show

    raise typer.Exit(show.run(keep=keep, as_json=as_json))


def up(host: Host = "127.0.0.1", port: Port = None, processes: Processes = 1) -> None:
    """Run everything on this machine against a real GitLab: receiver, workers, ticker.

    Uses REDIS_URL and CHROMA_URL where set, else starts its own servers on loopback with their
    data under DEVOPS_BACKEND_DATA.
    """
    from service.stack import Stack
    from service.start import require_gitlab
    from workers import logs
    from workers.supervisor import stop_on_signals

    settings = Settings.load()
    logs.configure(settings, name="up")
    require_gitlab(settings)
    stop = stop_on_signals()
    stack = Stack(settings, host=host, port=port, workers_per_queue=processes, stop=stop)
    # Before anything can fail: its hash is kept already, and it is never shown again.
    _show_once(settings, stack.made_tokens)
    with stack:
        if stop.is_set():
            return
        typer.echo(f"ready: {stack.url}  (GitLab: {settings.gitlab_url})", err=True)
        stack.run(stop)


def serve(host: Host = "127.0.0.1", port: Port = None, fd: Fd = None) -> None:
    """Run the receiver alone: webhooks, API, dashboard."""
    import socket

    import uvicorn

    from service.app import create_app
    from service.protocol import Protocol
    from service.stack import listen, port_of
    from service.start import upgrade_store
    from workers import logs
    from workers.supervisor import bind_to_parent, stop_on_signals

    bind_to_parent()
    settings, made = Settings.load().with_secrets()
    _show_once(settings, made)
    settings = _with_redis(settings)
    logs.configure(settings, name="receiver")
    upgrade_store(settings)
    for name in settings.guessable():
        structlog.get_logger(__name__).warning(
            "a short secret can be guessed: at least 16 characters are better", variable=name
        )
    # uvicorn ends in good order and then raises the signal again: with a handler of ours in its
    # place that second one does not kill us, and the exit code says that all went well.
    stop_on_signals()
    config = uvicorn.Config(
        create_app(settings), http=Protocol, ws="none", lifespan="on", log_config=None,
        access_log=False, server_header=False, timeout_graceful_shutdown=10, timeout_keep_alive=30,
    )  # fmt: skip
    server = uvicorn.Server(config)
    given = socket.socket(fileno=fd) if fd is not None else None
    port = port or port_of(settings.devops_backend_url)
    with given or listen(host, port) as listening:
        # Only now: another receiver's address stays kept where this one cannot start beside it.
        _keep_url(settings)
        server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(1)


def work(
    queue: Annotated[
        list[str] | None, typer.Option(help="generate, record; may be given twice. Default: both.")
    ] = None,
    processes: Processes = 1,
    with_ticker: Annotated[
        bool, typer.Option("--ticker/--no-ticker", help="Run a ticker as well.")
    ] = True,
) -> None:
    """Run the workers alone; SIGTERM lets work at hand finish.

    At least one ticker has to run somewhere: it sends due and lost work. Several do no harm.
    """
    import os

    from service.start import prepare, settings_environment, upgrade_store
    from workers import logs, queues
    from workers.supervisor import Supervisor, stop_on_signals

    wanted = list(dict.fromkeys(queue or queues.QUEUES))
    for name in wanted:
        if name not in queues.QUEUES:
            raise typer.BadParameter(f"{name!r} should be one of {', '.join(queues.QUEUES)}")
    settings = _as_the_receiver(_with_redis(Settings.load()))
    logs.configure(settings, name="work")
    upgrade_store(settings)
    commands = {
        f"{name}-{number}": ["_worker", name]
        for name in wanted
        for number in range(1, processes + 1)
    }
    if with_ticker:
        commands["ticker"] = ["tick"]
    stop = stop_on_signals()
    prepare(settings)
    with Supervisor(commands, {**os.environ, **settings_environment(settings)}) as supervisor:
        supervisor.run(stop)


def _as_the_receiver(settings: Settings) -> Settings:
    """With its webhook secret, key and address: those that are set, or that it keeps in the data
    folder. Webhooks and pipelines are made with them, so no default stands in for one, but for the
    address where GitLab is on this machine.

    A receiver that was started at the same moment makes them just now: they are waited for.
    Raises Misconfigured where none come.
    """
    import time

    from service.start import require_key, require_secret

    deadline = time.monotonic() + RECEIVER_S
    while True:
        known = settings.with_webhook_secret(make=False).with_key(make=False).with_receivers_url()
        late = time.monotonic() > deadline
        if late or (
            known.gitlab_webhook_secret and known.devops_backend_key and known.receivers_url_known
        ):
            require_secret(known)
            require_key(known)
            return known.with_receivers_url(required=not known.gitlab_is_local)
        time.sleep(0.2)


def worker(queue: str) -> None:
    """One worker process, started by `work` and `up`."""
    from workers import logs
    from workers import worker as rq_worker
    from workers.supervisor import bind_to_parent

    bind_to_parent()
    settings = _with_redis(Settings.load())
    logs.configure(settings, name=f"worker-{queue}")
    raise typer.Exit(rq_worker.work(settings, queue))


def ticker() -> None:
    """Run a ticker alone: it sends due and lost work. `work` and `up` start their own."""
    from service.start import upgrade_store
    from workers import logs
    from workers.connect import connect
    from workers.standing import LONGEST_WAIT_S
    from workers.store.ledger import Ledger
    from workers.store.sweeps import Sweeps
    from workers.supervisor import bind_to_parent, stop_on_signals
    from workers.ticker import Ticker

    bind_to_parent()
    settings = _with_redis(Settings.load())
    logs.configure(settings, name="ticker")
    upgrade_store(settings)
    redis = connect(settings.redis_url or "")
    sweeps = Sweeps(redis, settings.sweep_interval_s)
    ahead_s = max(settings.poll_limit_s, settings.sweep_interval_s, LONGEST_WAIT_S) + 60
    Ticker(Ledger(redis), sweeps, ahead_s).run(stop_on_signals())


def _keep_url(settings: Settings) -> None:
    """For commands that are not told the address. A folder that may not be written stops nobody."""
    from workers.errors import Misconfigured
    from workers.kept import keep_url

    try:
        keep_url(settings.devops_backend_data, settings.devops_backend_url)
    except Misconfigured as error:
        structlog.get_logger(__name__).warning("the address is not kept", reason=str(error))


def _show_once(settings: Settings, made: list[str]) -> None:
    """API tokens that were made just now."""
    for token in made:
        kept = settings.devops_backend_data / "api-token"
        typer.echo(f"API token (shown once; {kept} keeps its hash): {token}", err=True)


def _with_redis(settings: Settings) -> Settings:
    """Settings with a Redis: the configured one, or the one that a running `up` keeps."""
    if settings.redis_url is not None:
        return settings
    from workers.embedded import find_running
    from workers.errors import Misconfigured

    url = find_running(settings.devops_backend_data)
    if url is None:
        raise Misconfigured(
            "REDIS_URL: should name a Redis or Valkey server (`up` starts its own instead)"
        )
    return settings.model_copy(update={"redis_url": url})
