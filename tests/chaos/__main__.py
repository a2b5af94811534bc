"""`python -m tests.chaos`: run the fault suite, print a table and JSON, fail on any violation."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import orjson
import structlog

from tests.chaos.faults import FAULTS
from tests.chaos.hosts import Sizes
from tests.chaos.run import Plan, run


def main() -> int:
    """The exit code."""
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    plan = Plan(
        minutes=options.minutes,
        seed=options.seed,
        faults=options.faults.split(",") if options.faults else [],
        sessions=options.sessions,
        rate=options.rate,
        rest=options.rest,
        loss_kills=options.loss_kills,
        sizes=Sizes(namespaces=not options.proxies, sentinels=options.sentinels),
        keep=options.logs,
    )
    report = asyncio.run(run(plan))
    print(table(report))
    text = orjson.dumps(report, option=orjson.OPT_INDENT_2)
    if options.json:
        options.json.write_bytes(text)
    else:
        print(text.decode())
    return 0 if report["passed"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule")
    parser.add_argument("--faults", default="", help=f"only these, of: {','.join(FAULTS)}")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rate", type=float, default=10.0, help="messages per second, each way")
    parser.add_argument("--rest", type=float, default=8.0, help="mean seconds between faults")
    parser.add_argument("--loss-kills", type=int, default=0, help="kills at 10 and at 100 msg/s")
    parser.add_argument("--proxies", action="store_true", help="no network namespace")
    parser.add_argument("--sentinels", action="store_true", help="Redis that fails over")
    parser.add_argument("--json", type=Path, help="write the report there")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs there")
    options = parser.parse_args()
    for name in filter(None, options.faults.split(",")):
        if name not in FAULTS:
            parser.error(f"there is no fault {name}")
        if name == "redis-failed-over" and not options.sentinels:
            parser.error(f"{name} needs --sentinels")
    return options


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    rows = [(key, report[key]) for key in ("seed", "fault_seconds", "sessions", "rate", "wire")]
    rows += [("database", report["database"])]
    rows += [(f"fault {kind}", count) for kind, count in report["faults"].items()]
    for key, value in report["figures"].items():
        if isinstance(value, dict):
            rows += [(f"{key}: {name}", inner) for name, inner in value.items()]
        else:
            rows.append((key, value))
    lines = [f"{name!s:45} {value}" for name, value in rows]
    verdict = "PASSED" if report["passed"] else "VIOLATIONS:"
    return "\n".join([*lines, "", verdict, *report["violations"]])


if __name__ == "__main__":
    sys.exit(main())
