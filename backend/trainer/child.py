"""The trainer process as the server holds it: started, written to, listened to, ended."""

import logging
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

from backend.errors import TrainerDied, TrainerHung

log = logging.getLogger(__name__)

STARTING = 600.0
"""Seconds that a new process may take before it says anything: it loads the learning libraries."""

ENDING = 10.0
"""Seconds that a killed process may take to end. One that hangs on a disk does not end before that
disk answers."""

ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "MALLOC_ARENA_MAX": "2"}
"""What both our processes are started with, unless the environment says otherwise.

OMP_WAIT_POLICY: torch's threads wait for each other by spinning; where another process holds a core
(Label Studio does), they spin most of the time away. Measured with one busy core of two: 20
training steps took 130 s, and 10 s when the threads sleep instead. MALLOC_ARENA_MAX: with a heap
for each of many threads, memory that one has freed is not used by another.
"""

SECRET = re.compile(
    r"(^|_)(PASS|PASSWORD|PASSWD|SECRET|TOKEN|KEY|CREDENTIALS)(_|$)|^LABEL_STUDIO_(URL|HEADERS)$"
)
NEEDED = re.compile(r"(HF|HUGGING_?FACE|RAY)_")
"""Names of variables that hold secrets, and of those that the trainer needs: with a token of the
Hugging Face hub it loads encoders that are not public, and with one of a Ray cluster it enters."""


def environment(of_server: Mapping[str, str]) -> dict[str, str]:
    """The trainer's environment: the server's without its secrets, for the trainer decodes files
    that nobody has checked. The token to fetch media with comes with each job that needs it."""
    kept = {
        name: value
        for name, value in of_server.items()
        if NEEDED.match(name) or not SECRET.search(name)
    }
    return {**ENVIRONMENT, **kept}


class Child:
    """A running trainer process. One thread speaks with it; any may kill it."""

    def __init__(self) -> None:
        """Start it. Raises OSError when there is no room for a process."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backend.trainer.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(os.environ),
        )
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._unsaid: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._has_spoken = False
        self._threads = [
            threading.Thread(target=target, name=f"trainer's {name}", daemon=True)
            for name, target in (("output", self._listen), ("input", self._speak))
        ]
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def say(self, line: str) -> None:
        """Have a line written to it, without waiting until it reads: one that hangs never does.
        Whether it lives, `hear` tells."""
        self._unsaid.put(line)

    def hear(self, silence: float) -> str:
        """Its next line. Raises TrainerDied when it ends, and TrainerHung after so many seconds
        without a line (before its first one STARTING, if that is more)."""
        seconds = silence if self._has_spoken else max(silence, STARTING)
        try:
            line = self._heard.get(timeout=seconds)
        except queue.Empty:
            raise TrainerHung from None
        if not line:
            raise TrainerDied
        self._has_spoken = True
        return line

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Kill it, if it lives, and wait for its end: its pipe closes a moment before it counts as
        ended, and the next job would be given to it. After ENDING seconds it is left to
        itself: it will do nothing more."""
        self._process.kill()
        self._unsaid.put("")
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            log.error(
                "the trainer process %d was killed and does not end, as one does that waits for a "
                "disk; another one takes its place",
                self._process.pid,
            )
            return
        for thread in self._threads:
            thread.join(ENDING)  # they close its pipes

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._heard.put(line)
        self._heard.put("")

    def _speak(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as stream:  # it has ended, which `hear` tells
            while line := self._unsaid.get():
                print(line, file=stream, flush=True)
