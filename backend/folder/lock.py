"""One server at a time works in a MODEL_DIR: two would fight in its folders."""

import fcntl
import logging
import os
import time
from pathlib import Path
from typing import IO

from backend.errors import ModelDirInUse

log = logging.getLogger(__name__)

FILE = "server.lock"

PATIENCE = 6.0
"""Seconds that a server which is being replaced has to end: it answers its last requests for 5."""

Lock = IO[str]
"""Held for as long as this file is open, also after a power failure. No child process has it."""


def held(model_dir: Path, patience: float = PATIENCE) -> Lock:
    """Hold this MODEL_DIR alone. Raises ModelDirInUse when another server has it for longer than
    `patience` seconds."""
    model_dir.mkdir(parents=True, exist_ok=True)
    file = (model_dir / FILE).open("a+")
    until = time.monotonic() + patience
    while not _is_locked(file):
        if time.monotonic() >= until:
            with file:
                raise ModelDirInUse(_sentence(model_dir, file))
        time.sleep(0.1)
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _is_locked(file: Lock) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system that has no locks
        log.warning("MODEL_DIR cannot be locked (%s): start only one backend with it", error)
    return True


def _sentence(model_dir: Path, file: Lock) -> str:
    file.seek(0)
    number = file.read().strip()
    which = f" (process {number})" if number else ""
    return (
        f"Another backend works in MODEL_DIR={model_dir}{which}. Two would overwrite each other's "
        "versions. Stop that one first, or give this one a MODEL_DIR of its own"
    )
