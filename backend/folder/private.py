"""Texts and labels are kept from other users of the machine."""

import logging
import os
from pathlib import Path
from stat import S_IMODE

log = logging.getLogger(__name__)

OTHERS = 0o077
"""What the group and others may do, in the bits of a file's mode."""


def keep_private(model_dir: Path) -> None:
    """Close MODEL_DIR to other users; nor may they read what this process, and those that it
    starts, write from now on."""
    os.umask(OTHERS)
    model_dir.mkdir(parents=True, exist_ok=True)
    mode = S_IMODE(model_dir.stat().st_mode)
    if not mode & OTHERS:
        return
    try:
        model_dir.chmod(mode & ~OTHERS)
    except PermissionError:
        log.warning(
            "MODEL_DIR=%s is open to other users (mode %o) and belongs to somebody else, so that "
            "it cannot be closed. Close it with chmod 700",
            model_dir,
            mode,
        )
