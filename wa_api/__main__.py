"""The `wa-api` command, also as `python -m wa_api`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run it. Ctrl+C while modules are still being loaded ends the process without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from wa_api.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
