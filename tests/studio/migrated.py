"""Label Studio's empty databases: to make one is nearly all of its first start, a minute's work."""

import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

from backend.dev import local
from tests.studio.postgres import dump, postgresql, restore

BUILD = Path(__file__).parents[2] / "build"
FOLDER = "label-studio"
"""Below the folder of the server, as local.label_studio has it."""

SQLITE = {"DJANGO_DB": "sqlite"}
QUICK = {"PYTHONPATH": str(Path(__file__).parent / "in_studio")}
"""Variables of a Label Studio that is only tested, see the module there."""


@contextmanager
def migrated(database: str, folder: Path, program: str) -> Iterator[Mapping[str, str]]:
    """A database without projects for the Label Studio in `folder`, which is empty yet, and the
    variables with which it uses it; on PostgreSQL a server runs meanwhile."""
    if database == "sqlite":
        put_migrated(folder, program)
        yield SQLITE
        return
    made = _made_once(program, f"{FOLDER}.sql", lambda place: _dumped(place, program))
    with postgresql() as environ:
        restore(environ, made)
        yield environ


def put_migrated(folder: Path, program: str) -> None:
    """The same on sqlite, which is a file of the folder."""
    made = _made_once(program, FOLDER, lambda place: _start_once(place.parent, program, SQLITE))
    shutil.copytree(made, folder / FOLDER)


def _made_once(program: str, name: str, make: Callable[[Path], object]) -> Path:
    """Whoever asks first makes it, in a folder of its own, and the others wait. It is kept until
    `make clean`, for each installation: a newer Label Studio migrates it further by itself, and an
    older one cannot use it."""
    kept = BUILD / "migrated" / crc32(str(Path(program).absolute()).encode()).to_bytes(4).hex()
    kept.mkdir(parents=True, exist_ok=True)
    made = kept / name
    with (kept / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with TemporaryDirectory(dir=kept) as folder:
                make(Path(folder) / name)
                (Path(folder) / name).rename(made)
    return made


def _dumped(place: Path, program: str) -> None:
    with postgresql() as environ:
        _start_once(place.parent, program, environ)
        dump(environ, place)


def _start_once(folder: Path, program: str, environ: Mapping[str, str]) -> None:
    with local.label_studio(folder, local.free_port(), program, {**environ, **QUICK}) as server:
        server.wait_until_up()
