"""One server at a time works in a MODEL_DIR, and one command at a time writes for a project: two
would fight in the same folder."""

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
    file = lock_of(model_dir / FILE, patience)
    if file is None:
        raise ModelDirInUse(_sentence(model_dir))
    return file


def lock_of(path: Path, patience: float = 0.0) -> Lock | None:
    """The lock of this file, which then names this process; None when another one has it for longer
    than `patience` seconds."""
    file = path.open("a+")
    until = time.monotonic() + patience
    while not _is_locked(file):
        if time.monotonic() >= until:
            file.close()
            return None
        time.sleep(0.1)
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def is_served(model_dir: Path) -> bool:
    """Whether a server works in this MODEL_DIR at the moment."""
    path = model_dir / FILE
    if not path.is_file():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system that has no locks
            return True
    return False


def holder_of(path: Path) -> str:
    """The process that has the lock of this file, in brackets, "" if unknown."""
    number = path.read_text().strip()
    return f" (process {number})" if number else ""


def _is_locked(file: Lock) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system that has no locks
        log.warning("%s cannot be locked (%s): start only one at a time", file.name, error)
    return True


def _sentence(model_dir: Path) -> str:
    return (
        f"Another backend works in MODEL_DIR={model_dir}{holder_of(model_dir / FILE)}. Two would "
        "overwrite each other's versions. Stop that one first, or give this one a MODEL_DIR of its "
        "own"
    )
