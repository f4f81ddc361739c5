"""A real server in a process of its own, its memory and its log."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20


class Server:
    """The app on a free port; memory is looked at every so many seconds.

    Parameters
    ----------
    keep : int
        Seconds that the server keeps a session whose connection is gone.
    environment : mapping, optional
        On top of this process's own, without what would help it to find the library.
    every : float
        Seconds between two looks at the memory.
    command : callable(port) → list of str, optional
        What starts it, ``streamlit run app/Home.py`` of this checkout unless given.
    """

    def __init__(
        self,
        keep: int,
        environment: Mapping[str, str] | None = None,
        every: float = 0.5,
        command: Callable[[int], list[str]] | None = None,
    ) -> None:
        self.keep, self.every = keep, every
        self.command = command or self._checkout
        self.environment = dict(environment or {})
        self.samples: list[tuple[float, float]] = []
        self._over = threading.Event()

    def __enter__(self) -> Server:
        """Start, and wait until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory(prefix="load")
        self.log = Path(self.folder.name) / "server.log"
        self._sink = self.log.open("w")
        place = Path(self.folder.name) / "state"
        kept = {"ANISOALIGN_SESSION_ROOT": str(place), "ANISOALIGN_SESSION_HOURS": "24"}
        clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.process = subprocess.Popen(
            self.command(port),
            cwd=self.folder.name,
            stdout=self._sink,
            stderr=subprocess.STDOUT,
            env={**clean, **kept, **self.environment},
        )
        self.url = f"http://127.0.0.1:{port}"
        self.begun = time.monotonic()
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() - self.begun > 120:
                said = self.log.read_text(encoding="utf-8")
                self.__exit__(None, None, None)
                raise RuntimeError(f"the server did not start: {said}")
            time.sleep(0.1)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and forget the log."""
        self.end()
        self.folder.cleanup()

    def _checkout(self, port: int) -> list[str]:
        options = {
            "port": port,
            "address": "127.0.0.1",
            "headless": "true",
            "fileWatcherType": "none",
            "disconnectedSessionTTL": self.keep,
        }
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "Home.py")]
        for name, value in options.items():
            command += [f"--server.{name}", str(value)]
        return command

    def end(self) -> None:
        """End the process; its log stays."""
        self._over.set()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._sink.close()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5)
        except OSError:
            return False
        return True

    def _watch(self) -> None:
        while not self._over.wait(self.every):
            try:
                self.samples.append((self.now(), self.resident()))
            except OSError:  # it has ended
                return

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.begun

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{name}:\s*(\d+)", text, re.MULTILINE)
        if found is None:
            raise OSError(f"no {name}: the process has ended")
        return int(found[1])

    def resident(self) -> float:
        """Resident memory in MiB."""
        return self._status("VmRSS") * 1024 / MIB

    def cpu(self) -> float:
        """Seconds of all processors that the server's process has used."""
        fields = (
            Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self) -> int:
        """Threads of the server's process."""
        return self._status("Threads")

    def peak(self, since: float = 0.0) -> float:
        """Highest resident memory in MiB that was seen from a moment on."""
        return max((size for at, size in self.samples if at >= since), default=self.resident())

    def faults(self) -> list[str]:
        """Lines of the log that end a traceback, or that report an error."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        marks = ("Traceback (most recent call last)", "unexpected error", "ERROR", "Error ")
        return [line for line in lines if any(mark in line for mark in marks)]
