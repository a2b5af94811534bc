"""The `wa-api` command. Each command loads only what it needs: the supervisor stays small."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from config import logging
from config.settings import Settings, WrongSetting, load

app = typer.Typer(
    name="wa-api",
    help="A WhatsApp gateway that any number of processes share.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

#: Exit codes: the settings are wrong; it did not work.
WRONG_SETTING, FAILED = 2, 1


class Role(StrEnum):
    """What one process can be."""

    ALL = "all"
    HTTP = "http"
    SESSIONS = "sessions"
    WEBHOOKS = "webhooks"
    SANDBOX = "sandbox"


def main() -> None:
    """Run the command; what goes wrong is one sentence on standard error, not a traceback."""
    from wa_api.domain.errors import WaError
    from wa_api.serve.prepare import StartFailed

    try:
        app(prog_name="wa-api")
    except WrongSetting as error:
        _leave(str(error), WRONG_SETTING)
    except (StartFailed, WaError) as error:
        _leave(str(error), FAILED)
    except KeyboardInterrupt:
        _leave("Interrupted.", 130)


def _leave(sentence: str, code: int) -> None:
    print(f"wa-api: {sentence}", file=sys.stderr)  # noqa: T201 - for the person at the terminal
    sys.exit(code)


def _settings(**bound: str) -> Settings:
    settings = load()
    logging.configure(settings.log.level, settings.log.format, **bound)
    return settings


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@app.command()
def serve(
    role: Annotated[Role, typer.Option(help="Run all roles here, or one in this process.")] = (
        Role.ALL
    ),
    network: Annotated[
        str | None, typer.Option(help="With --role sessions: the sessions of which network.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Instead of WA_HTTP_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Instead of WA_HTTP_PORT; 0: a free one.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Instead of WA_DATA_DIR.")] = None,
) -> None:
    """Start the gateway: all roles on this machine, kept running, until Ctrl+C."""
    _override(WA_HTTP_HOST=host, WA_HTTP_PORT=port, WA_DATA_DIR=data_dir)
    if role is Role.ALL:
        from wa_api.serve.gateway import serve as serve_all

        _run(serve_all(_settings(role="serve"), typer.echo))
    else:
        from wa_api.serve.single import become

        become(load(), role.value, network)


def _override(**variables: object) -> None:
    """Options are settings that also reach the child processes."""
    os.environ.update({name: str(value) for name, value in variables.items() if value is not None})


@app.command()
def migrate(
    first_token: Annotated[
        bool, typer.Option(help="Also make a one-time token if there is no administrator yet.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the database up to date. Safe to run at any time, also twice at once."""
    from wa_api.serve.database import bring_up_to_date

    settings = _settings(role="migrate")
    settings.prepare()
    typer.echo(_run(bring_up_to_date(settings, first_token=first_token, as_json=as_json)))


@app.command("admin-token")
def admin_token() -> None:
    """Print a new one-time token for a platform administrator (when access was lost)."""
    from wa_api.serve.database import new_admin_token

    typer.echo(_run(new_admin_token(_settings(role="admin-token"))))


@app.command()
def demo() -> None:
    """Link two sandbox numbers and let them talk, on free ports and in a temporary directory."""
    from wa_api.demo.main import run

    sys.exit(_run(run()))


@app.command()
def status() -> None:
    """Show workers, their load, and sessions with their owners."""
    from wa_api.serve.fleet import show

    typer.echo(_run(show(_settings(role="status"))))


@app.command()
def drain(
    worker: Annotated[str, typer.Argument(help="A worker's id, from `wa-api status`.")],
) -> None:
    """Ask a session worker to hand over all its sessions and end."""
    from wa_api.serve.fleet import drain as ask

    typer.echo(_run(ask(_settings(role="drain"), worker)))


@app.command()
def move(
    session: Annotated[str, typer.Argument(help="A session's id.")],
    to: Annotated[str | None, typer.Option(help="The worker that gets it; else any.")] = None,
) -> None:
    """Ask a session's owner to hand it over to another worker."""
    from wa_api.serve.fleet import move as ask

    typer.echo(_run(ask(_settings(role="move"), session, to)))


@app.command()
def restart() -> None:
    """Replace every process of the gateway that serves here, one by one (as SIGHUP does)."""
    from wa_api.serve.fleet import roll

    typer.echo(roll(load()))


@app.command()
def healthy() -> None:
    """Exit 0 when a process of this host or container is ready: for health checks."""
    from wa_api.serve.fleet import healthy as ask

    typer.echo(_run(ask(_settings(role="healthy"))))


@app.command("settings")
def show_settings() -> None:
    """Print every setting with its default and meaning."""
    from config.reference import markdown

    typer.echo(markdown())


@app.command(hidden=True)
def http(
    fd: Annotated[int | None, typer.Option(help="An inherited listening socket.")] = None,
) -> None:
    """One HTTP process (started by `serve`)."""
    from wa_api.app import run_http

    run_http(_settings(role="http"), fd)
    # Everything is closed: taking the interpreter apart would only hold up a stop by a second.
    sys.stderr.flush()
    os._exit(0)
