"""What has been written is on the disk, also after a power failure."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Have a file's contents, or the names of a folder's files, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
