"""A PostgreSQL server of its own for a run of the tests, as another database for Label Studio."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backend.dev.local import free_port

MISSING = "PostgreSQL's initdb is nowhere to be found; on Debian: apt-get install postgresql"

# Its standard input is held by whoever started it, and closes when they stop it and also when they
# are killed, so that nothing stays behind. The folder is not one of pytest's, which the server's
# user may not enter. -F: the data need not outlive a power cut.
SERVER = """
folder=$(mktemp -d /tmp/postgresql-XXXXXX) && cd "$folder" || exit 1
end() {
    pg_ctl stop --pgdata=data --mode=immediate &>/dev/null
    rm -rf "$folder"
}
trap end EXIT
{
    initdb --pgdata=data --username=postgres --auth=trust --no-locale --encoding=UTF8 --no-sync &&
    pg_ctl start --wait --pgdata=data --log=server.log \
        --options="-F -h 127.0.0.1 -p $1 -k $folder"
} &>start.log || { cat start.log server.log; exit 1; }
echo ready
cat
"""


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, which Debian keeps off the PATH; None: not installed."""
    debian = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    initdb = shutil.which("initdb", path=os.pathsep.join([os.environ["PATH"], *debian]))
    return Path(initdb).resolve().parent if initdb else None  # a link, without its neighbours


@contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """Run an empty server; yields the variables that make Label Studio use it.

    It ends and its data goes with the context. Raises FileNotFoundError when PostgreSQL is not
    installed, RuntimeError with its own words when it does not start.
    """
    folder, port = programs(), free_port()
    if folder is None:
        raise FileNotFoundError(MISSING)
    with _started(folder, port) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        if said != "ready\n":
            raise RuntimeError(f"PostgreSQL did not start: {said}{server.stdout.read()}")
        yield {
            "DJANGO_DB": "default",
            "POSTGRE_HOST": "127.0.0.1",
            "POSTGRE_PORT": str(port),
            "POSTGRE_NAME": "postgres",
            "POSTGRE_USER": "postgres",
            "POSTGRE_PASSWORD": "",
        }


def dump(environ: Mapping[str, str], file: Path) -> None:
    """Keep all that is in a running server."""
    _call("pg_dump", environ, f"--file={file}")


def restore(environ: Mapping[str, str], file: Path) -> None:
    """Put it into another one, which is empty."""
    quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction"]
    _call("psql", environ, *quiet, f"--file={file}")


def _call(program: str, environ: Mapping[str, str], *arguments: str) -> None:
    folder = programs()
    if folder is None:
        raise FileNotFoundError(MISSING)
    server = [f"--host={environ['POSTGRE_HOST']}", f"--port={environ['POSTGRE_PORT']}"]
    name = [f"--username={environ['POSTGRE_USER']}", f"--dbname={environ['POSTGRE_NAME']}"]
    command = [str(folder / program), *server, *name, *arguments]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def _started(folder: Path, port: int) -> "subprocess.Popen[str]":
    user, group = _account()
    return subprocess.Popen(
        ["bash", "-c", SERVER, "postgresql", str(port)],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        user=user,
        group=group,
        extra_groups=None if user is None else [],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def _account() -> tuple[int, int] | tuple[None, None]:
    """User and group to run it as: ours, but PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None, None
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return entry.pw_uid, entry.pw_gid
