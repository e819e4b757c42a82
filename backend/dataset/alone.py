"""One process at a time changes what a project's dataset consists of."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.dataset.record import folder_of
from backend.errors import DatasetBusy
from backend.folder.lock import lock_of

PATIENCE = 10.0
"""Seconds that a command waits for what the server adds meanwhile."""


@contextmanager
def alone(project: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Change a project's dataset alone. Raises DatasetBusy when another one does for longer than
    `patience` seconds."""
    folder_of(project).mkdir(parents=True, exist_ok=True)
    lock = lock_of(folder_of(project) / "lock", patience)
    if lock is None:
        raise DatasetBusy(
            "Another command is adding items to the dataset of this project. Wait until it has "
            "ended"
        )
    with lock:
        yield
