"""A copy of a running Label Studio's data, to start another one with."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from backend.dev.local import LocalProcess

FOLDER = "label-studio"


def copy_data(server: LocalProcess, folder: Path) -> None:
    """Copy what this server, on sqlite, has stored into a new folder. A backend may work there
    meanwhile, so sqlite copies its database: it knows what is written and what is not."""
    before = server.log.parent / FOLDER
    shutil.copytree(before, folder / FOLDER, ignore=shutil.ignore_patterns("*.sqlite3*"))
    for file in before.glob("*.sqlite3"):
        copy = folder / FOLDER / file.name
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
