"""`python -m workers sessions --network NAME | webhooks | sandbox`: one role per process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from config.settings import Settings, WrongSetting, load
from workers import run

_NOT_STARTED = 78  # EX_CONFIG


def main(arguments: list[str]) -> int:
    """Run a role until it ends; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    sessions = roles.add_parser("sessions", help="connect sessions of one network")
    sessions.add_argument("--network", required=True, help="whatsapp, sandbox, or one of yours")
    roles.add_parser("webhooks", help="archive the event log")
    roles.add_parser("sandbox", help="the WhatsApp network without phones")
    given = parser.parse_args(arguments)
    try:
        settings = load()
        if given.role == "sessions":
            _start_fit_for_go(settings, given.network, arguments)
            return run.sessions(settings, given.network)
        return run.webhooks(settings) if given.role == "webhooks" else run.sandbox(settings)
    except WrongSetting as error:
        sys.stderr.write(f"{error}\n")
        return _NOT_STARTED


def _start_fit_for_go(settings: Settings, network: str, arguments: list[str]) -> None:
    """Execute this program anew when its environment is not what the engine needs.

    Go reads GOMAXPROCS and SSL_CERT_FILE only when a process begins.
    """
    wanted = {"GOMAXPROCS": "1"}
    if (ca_file := settings.network(network).ca_file) is not None:
        wanted["SSL_CERT_FILE"] = str(ca_file.absolute())
    if not _has(os.environ, wanted):
        argv = [sys.executable, "-m", "workers", *arguments]
        os.execve(sys.executable, argv, {**os.environ, **wanted})  # noqa: S606 - ourselves


def _has(environment: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(environment.get(name) == value for name, value in wanted.items())


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # The engine's threads do not end; everything that is ours is closed by now.
    os._exit(code)
