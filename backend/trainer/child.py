"""The trainer process as the server holds it: started, written to, listened to, ended."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping

ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "MALLOC_ARENA_MAX": "2"}
"""What both our processes are started with, unless the environment says otherwise.

OMP_WAIT_POLICY: torch's threads wait for each other by spinning; where another process holds a core
(Label Studio does), they spin most of the time away. Measured with one busy core of two: 20
training steps took 130 s, and 10 s when the threads sleep instead. MALLOC_ARENA_MAX: with a heap
for each of many threads, memory that one has freed is not used by another.
"""

SECRET = re.compile(r"(^|_)(PASS|PASSWORD|PASSWD|SECRET|TOKEN|KEY|CREDENTIALS)(_|$)")
NEEDED = re.compile(r"(HF|HUGGING_?FACE)_")
"""Names of variables that hold secrets, and of those that the trainer needs: with a token of the
Hugging Face hub it loads encoders that are not public."""


def environment(of_server: Mapping[str, str]) -> dict[str, str]:
    """The trainer's environment: the server's without its secrets, for the trainer decodes files
    that nobody has checked. The token to fetch media with comes with each job that needs it."""
    kept = {
        name: value
        for name, value in of_server.items()
        if NEEDED.match(name) or not SECRET.search(name)
    }
    return {**ENVIRONMENT, **kept}


def started() -> "subprocess.Popen[str]":
    """A new trainer process. Raises OSError when there is no room for one."""
    return subprocess.Popen(
        [sys.executable, "-m", "backend.trainer.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(os.environ),
    )
