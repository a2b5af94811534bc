"""What a sandbox process is started with, and the files it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Where the sandbox keeps its data and where it listens.

    `port` 0 means: the port of the last run when it is free, else any. `control_socket` defaults
    to `<data_dir>/sandbox/control.sock`.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    control_socket: Path | None = None

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return self.data_dir / "sandbox"

    @property
    def control(self) -> Path:
        """The control socket."""
        return self.control_socket or self.folder / "control.sock"

    @property
    def ready_file(self) -> Path:
        """Written once it listens."""
        return self.folder / "network.json"
