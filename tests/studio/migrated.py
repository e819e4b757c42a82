"""Label Studio's empty database: to make one is nearly all of its first start, 45 s."""

import fcntl
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.dev import local

BUILD = Path(__file__).parents[2] / "build"
NAME = "label-studio"


def put_migrated(folder: Path, executable: str) -> None:
    """Put an empty database on sqlite into Label Studio's `folder`, as local.label_studio has it.

    Whoever asks first makes it and the others wait. It is kept until `make clean`: a newer Label
    Studio migrates it further by itself.
    """
    BUILD.mkdir(exist_ok=True)
    made = BUILD / NAME
    with (BUILD / f"{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with TemporaryDirectory(dir=BUILD) as name:
                _first_start(Path(name), executable)
                (Path(name) / NAME).rename(made)
    shutil.copytree(made, folder / NAME)


def _first_start(folder: Path, executable: str) -> None:
    environ = {"DJANGO_DB": "sqlite"}
    with local.label_studio(folder, local.free_port(), executable, environ) as server:
        server.wait_until_up()
