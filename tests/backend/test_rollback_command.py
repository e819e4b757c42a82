"""`python -m backend rollback`, beside a server and without one."""

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from werkzeug.serving import make_server

from backend.__main__ import main
from backend.dev import local
from backend.project.loop import Hint, ProjectLoop
from backend.project.pin import pinned_name
from backend.project.service import Service
from backend.project.status import Status
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.web.wire import install
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta

NOTHING = np.zeros(0, np.int64)
Command = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Project 7: version 0.1 without a head, 1.4 whose encoder is gone, 2.12 and 2.13."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    store = Store(tmp_path / "7")
    for number in (0, 2):
        with store.new_encoder(number) as folder:
            write_encoder_meta(folder, EncoderMeta("tuned", "base", 16, 4))
    head = Head("single", ("a", "b"), np.ones((4, 2), np.float32), np.zeros(2), np.zeros(4))
    for name in ("0.1", "1.4", "2.12", "2.13"):
        encoder = int(name.partition(".")[0])
        own = head if encoder else None
        head_of = "2.12" if name == "2.13" else None
        meta = VersionFacts(created_at=1e9 + float(name), head_of=head_of)
        store.save_version(Version(name, encoder, own, NOTHING, NOTHING, NOTHING, meta))
    return store


@pytest.fixture
def command(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command on project 7: its exit status, and the lines that it printed."""
    monkeypatch.setenv("PORT", str(local.free_port()))

    def run(name: str, *arguments: str, project: int = 7) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["backend", name, "--project", str(project), *arguments])
        status = main()
        printed = capsys.readouterr()
        return status, (printed.out + printed.err).splitlines()

    return run


class Noted:
    """Work that notes its hints."""

    def __init__(self) -> None:
        self.hints: set[Hint] = set()
        self.began = threading.Semaphore(0)

    def turn(self, hints: set[Hint]) -> Iterator[Status]:
        self.hints = hints
        self.began.release()
        yield Status()

    def close(self) -> None:
        pass


@pytest.fixture
def server(store: Store, monkeypatch: pytest.MonkeyPatch, command: Command) -> Iterator[Noted]:
    """A backend with a password that serves project 7; its loop notes what it is woken for."""
    settings = Settings(
        model_dir=store.folder.parent, basic_auth_user="studio", basic_auth_pass="s3cret"
    )
    work = Noted()
    loop = ProjectLoop(7, Connection("", ""), lambda *_: work, 60.0)
    loop.start()
    service = Service(settings)
    service._loops[7] = loop
    app = Flask("backend")
    install(app, service)
    http = make_server("localhost", 0, app, threaded=True)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    monkeypatch.setenv("PORT", str(http.server_port))
    monkeypatch.setenv("BASIC_AUTH_USER", "studio")
    monkeypatch.setenv("BASIC_AUTH_PASS", "s3cret")
    assert work.began.acquire(timeout=30), "the turn of its start"
    yield work
    http.shutdown()
    thread.join()
    http.server_close()
    loop.stop()


def test_a_pin_is_set_shown_and_removed(store: Store, command: Command) -> None:
    status, (line, _) = command("rollback", "--to", "2.12")
    assert status == 0
    assert line.startswith("Version 2.12 is pinned")
    assert pinned_name(store.folder) == "2.12"
    assert command("rollback") == (0, [line])

    status, (line, _) = command("rollback", "--latest")
    assert status == 0
    assert line.startswith("No version is pinned")
    assert pinned_name(store.folder) is None
    assert command("rollback") == (0, [line])


def test_without_a_server_it_says_when_one_will_apply_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", port := str(local.free_port()))
    monkeypatch.setenv("POLL_SECONDS", "2.5")
    assert command("rollback", "--to", "2.12")[1][1:] == [
        "The server applies this at its next poll (POLL_SECONDS=2.5) or start: "
        f"nothing answers at http://localhost:{port}/webhook"
    ]


def test_a_running_server_is_notified_at_once(server: Noted, command: Command) -> None:
    for change in (["--to", "2.12"], ["--latest"]):
        assert command("rollback", *change)[1][1:] == ["The server applies this now"]
        assert server.began.acquire(timeout=30)
        assert server.hints == {"project"}
    command("rollback")
    assert not server.began.acquire(blocking=False), "a query is not a change"


def test_a_server_that_refuses_is_named_with_its_answer(
    server: Noted, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pin is stored all the same: the server polls by itself."""
    monkeypatch.setenv("BASIC_AUTH_PASS", "wrong")
    status, lines = command("rollback", "--to", "2.12")
    assert status == 0
    assert lines[1].endswith("/webhook answers 401")
    assert command("rollback")[1][0].startswith("Version 2.12 is pinned")


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("2.14", "There is no version 2.14; known are 0.1, 1.4, 2.12, 2.13"),
        ("0.1", "Version 0.1 was made before the first label"),
        ("1.4", "Encoder 1 of version 1.4 has been deleted"),
    ],
)
def test_what_cannot_serve_is_refused_and_the_pin_stays(
    command: Command, store: Store, version: str, sentence: str
) -> None:
    command("rollback", "--to", "2.12")
    status, lines = command("rollback", "--to", version)
    assert status == 2
    assert sentence in lines[0]
    assert pinned_name(store.folder) == "2.12"


def test_an_unknown_project_is_refused_and_not_created(
    command: Command, store: Store, tmp_path: Path
) -> None:
    status, lines = command("rollback", "--to", "2.12", project=8)
    assert status == 2
    assert "holds no project 8; it holds 7" in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["7"]


def test_the_listing_marks_the_pinned_version_and_what_has_its_head(command: Command) -> None:
    command("rollback", "--to", "2.12")
    _, lines = command("versions")
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "0.1",
        "1.4",
        "2.12 (pinned)",
        "2.13 (head of 2.12)",
    ]
