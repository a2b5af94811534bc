"""The Dockerfile's own install and start steps, run in a clean virtual environment.

No engine that builds images is needed: RUN and COPY lines are read from the file and carried out
in a directory, so that this test follows the file.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).parents[3]
_LINE = re.compile(r"^([A-Z]+)\s+(.*)$")
#: Of the system's packages and users, which only an image has.
_SYSTEM = ("useradd", "apt-get")


@dataclass
class Recipe:
    """What the Dockerfile says, with the image's paths moved into a directory."""

    root: Path
    text: str = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    env: dict[str, str] = field(default_factory=dict)

    def lines(self, word: str) -> list[str]:
        """The arguments of each instruction of that kind, in order, of all stages."""
        matches = (_LINE.match(line) for line in self.text.splitlines())
        return [match[2] for match in matches if match and match[1] == word]

    def moved(self, text: str) -> str:
        """The same with absolute paths of the image below the root."""
        return re.sub(r"(?<![\w.])/(opt|data|src)\b", rf"{self.root}/\1", text)

    def build(self) -> None:
        """COPY into the source directory and RUN, as the first stage does."""
        source = self.root / "src"
        source.mkdir(parents=True)
        first = self.text[: self.text.rindex("\nFROM ")]
        for line in first.splitlines():
            match = _LINE.match(line)
            if match and match[1] == "COPY":
                self._copy(shlex.split(match[2]), source)
            elif match and match[1] == "RUN" and not match[2].startswith(_SYSTEM):
                self._run(self.moved(match[2]), source)

    def _copy(self, words: list[str], source: Path) -> None:
        *names, target = words
        for name in names:
            origin = REPOSITORY / name
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin, source / target, ignore=ignored)
            else:
                shutil.copy(origin, source / target)

    def _run(self, command: str, source: Path) -> None:
        # `python` is the image's interpreter: here the one that runs the tests.
        command = re.sub(r"^python\b", shlex.quote(sys.executable), command)
        done = subprocess.run(
            command,
            shell=True,
            cwd=source,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def environment(self) -> dict[str, str]:
        """The image's ENV over a bare environment."""
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.root)}
        for line in self.lines("ENV"):
            for word in shlex.split(self.moved(line)):
                name, _, value = word.partition("=")
                env[name] = value.replace("$PATH", env.get("PATH", ""))
        return env

    def command(self) -> list[str]:
        """ENTRYPOINT and CMD; the health check's CMD is part of another line."""
        entry, start = (orjson.loads(self.lines(word)[-1]) for word in ("ENTRYPOINT", "CMD"))
        return [*entry, *start]

    def health(self) -> list[str]:
        """The command of HEALTHCHECK."""
        return list(orjson.loads(self.lines("HEALTHCHECK")[-1].split("CMD", 1)[1]))


@pytest.fixture(scope="module")
def image() -> Iterator[Recipe]:
    """The image's file system, as far as the steps make it."""
    root = Path(tempfile.mkdtemp(prefix="wa-img-"))
    recipe = Recipe(root)
    recipe.build()
    (root / "data").mkdir()
    yield recipe
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.proves("Docker, compose")
def test_it_starts_answers_is_healthy_and_stops(image: Recipe) -> None:
    """CMD serves in production's own packages, HEALTHCHECK says so, STOPSIGNAL ends it."""
    env = image.environment() | {"WA_HTTP_PORT": "0", "WA_HTTP_HOST": "127.0.0.1"}
    env |= {"WA_SESSIONS_WORKERS": "1", "WA_HTTP_WORKERS": "1"}
    program = shutil.which(image.command()[0], path=env["PATH"])
    assert program is not None
    assert program.startswith(str(image.root))
    process = subprocess.Popen(
        [program, *image.command()[1:]], env=env, cwd=image.root / "data", start_new_session=True
    )
    try:
        ready = image.root / "data" / "serve.json"
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        url = orjson.loads(ready.read_bytes())["url"]
        assert httpx.get(f"{url}/readyz", timeout=5).status_code == 200
        health = [shutil.which(image.health()[0], path=env["PATH"]) or "", *image.health()[1:]]
        subprocess.run(health, env=env, cwd=image.root, timeout=20, check=True)
        process.send_signal(getattr(signal, image.lines("STOPSIGNAL")[-1]))
        assert process.wait(8) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_it_does_not_run_as_root() -> None:
    """The last USER of the file is not root, and the data directory is a volume of its own."""
    recipe = Recipe(Path("/nowhere"))
    assert recipe.lines("USER")[-1] not in ("root", "0")
    assert recipe.lines("VOLUME") == ["/data"]
