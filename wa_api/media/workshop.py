"""A process of its own for each file that is looked into or converted.

What strangers made is only decoded here: within limits of memory, time and size that the system
enforces, and a crash takes nothing else with it. It reads a job as JSON on standard input and
writes a result, or a problem, to standard output; see `studio.Studio`.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import msgspec

from wa_api.domain.media import MiB
from wa_api.media import pages, pictures, recordings
from wa_api.media.jobs import Job, Refused, Result

#: Of the process and of the programs that it starts.
MOST_MEMORY, MOST_FILE = 3072 * MiB, 256 * MiB


def _limit(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE, MOST_FILE))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def do(job: Job) -> Result:
    """Do a job. Raises Refused."""
    path, out = Path(job.path), Path(job.out)
    if job.task == "page":
        return Result(page=pages.read(path, job.mimetype))
    if job.task == "inspect":
        if job.mimetype.startswith("image/"):
            return Result(mimetype=job.mimetype, facts=pictures.inspect(path))
        mimetype, facts = recordings.inspect(path, job.mimetype)
        return Result(mimetype=mimetype, facts=facts)
    if job.task in ("image", "avatar", "sticker"):
        mimetype = pictures.convert(path, out, job.task)
        return Result(mimetype=mimetype, facts=pictures.inspect(out))
    mimetype = recordings.convert(path, out, job.task, job.mimetype)
    mimetype, facts = recordings.inspect(out, mimetype, waveform=job.task == "voice")
    return Result(mimetype=mimetype, facts=facts)


def main() -> None:
    """One job."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    _limit(job.seconds)
    try:
        result = do(job)
    except Refused as refused:
        result = Result(problem=refused.problem, detail=refused.detail)
    except MemoryError:
        result = Result(problem="media_too_complex", detail="It needs too much memory.")
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
