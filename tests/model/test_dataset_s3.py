"""A dataset in a bucket, read from a real server of S3's protocol: moto's, in a process of its own.

Skipped where moto is not installed: pip install "moto[server]".
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from pyarrow import fs

from backend.dev.local import free_port
from model.dataset import bucket
from model.dataset.source import BadDataset, Source
from tests.model.test_dataset import ROWS, write
from tests.studio.bench import until

pytest.importorskip("moto")

SERVER = "from moto.server import main; main()"
NAMES = ("a.parquet", "b.jsonl", "sub/c.csv")


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def server(**environ: str) -> Iterator[int]:
    """The port of a server, as long as it runs."""
    port = free_port()
    command = [sys.executable, "-c", SERVER, "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    environ = {**os.environ, **environ}
    with subprocess.Popen(command, env=environ, stdout=quiet, stderr=quiet) as process:
        try:
            until("the server answers", lambda: answers(port))
            yield port
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with server() as found:
        yield found


def address(port: int, path: str) -> str:
    return f"s3://{path}?endpoint_override=127.0.0.1:{port}&scheme=http"


def filled(port: int, folder: Path) -> None:
    """A bucket `news` with the same two rows in three formats."""
    requests.put(f"http://127.0.0.1:{port}/news", timeout=10).raise_for_status()
    system = fs.S3FileSystem(endpoint_override=f"127.0.0.1:{port}", scheme="http")
    for name in NAMES:
        written = write(folder / name.replace("/", "-"), ROWS)
        with system.open_output_stream(f"news/daily/{name}") as stream:
            stream.write(written.read_bytes())


def test_each_format_is_read_from_a_bucket(port: int, tmp_path: Path) -> None:
    filled(port, tmp_path)
    source = Source(address(port, "news/daily"))
    assert [one.path for one in source.files] == [f"news/daily/{name}" for name in NAMES]
    assert all(list(source.rows(file)) == ROWS for file in source.files)
    (only,) = Source(address(port, "news/daily/b.jsonl")).files
    assert only.size == (tmp_path / "b.jsonl").stat().st_size


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere/daily", r"There is no bucket nowhere at 127\.0\.0\.1:\d+"),
        ("news/Daily", "The bucket news has no file or folder Daily"),
        ("me:secret@news/daily", "The address of the bucket has credentials in it"),
        ("", "is no address of a bucket"),
    ],
)
def test_a_wrong_address_is_named_with_what_to_do(
    port: int, tmp_path: Path, path: str, sentence: str
) -> None:
    """Everything was said in one sentence, which spoke of files, addresses and credentials."""
    filled(port, tmp_path)
    with pytest.raises(BadDataset, match=sentence) as raised:
        Source(address(port, path))
    assert "secret" not in str(raised.value)


def test_wrong_credentials_are_named_as_such() -> None:
    with (
        server(INITIAL_NO_AUTH_ACTION_COUNT="0") as port,
        pytest.raises(BadDataset, match=r"refuses who we are\. Set AWS_ACCESS_KEY_ID"),
    ):
        Source(address(port, "news/daily"))


def refusing() -> tuple[int, Callable[[], object]]:
    return free_port(), lambda: None


def silent() -> tuple[int, Callable[[], object]]:
    one = socket.create_server(("127.0.0.1", 0))
    return one.getsockname()[1], one.close


@pytest.mark.parametrize("kind", [refusing, silent])
def test_a_server_that_does_not_answer_is_named(
    kind: Callable[[], tuple[int, Callable[[], object]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyarrow alone asked a silent one for minutes."""
    monkeypatch.setattr(bucket, "REQUEST_SECONDS", 1.0)
    port, close = kind()
    with pytest.raises(BadDataset, match=r"Nobody answers for the bucket news at 127\.0\.0\.1"):
        Source(address(port, "news/daily"))
    close()


def test_a_server_that_goes_while_it_is_read_is_named(tmp_path: Path) -> None:
    with server() as port:
        filled(port, tmp_path)
        source = Source(address(port, "news/daily"))
    with pytest.raises(BadDataset, match="Nobody answers for the bucket news"):
        list(source.rows(source.files[0]))
