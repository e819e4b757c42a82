"""Servers started as processes on this machine."""

import socket
import sys
from pathlib import Path

import pytest

from backend.dev import demo, local
from backend.errors import BackendError
from tests.backend.web import Answer, Web


def program(path: Path) -> Path:
    """A program that writes its working folder into its log and ends."""
    path.write_text("#!/bin/sh\npwd\n")
    path.chmod(0o755)
    return path


def log_of(process: local.LocalProcess) -> str:
    with process, pytest.raises(BackendError, match="ended while starting"):
        process.wait_until_up()
    return process.log.read_text().strip()


def test_servers_on_this_machine_are_called_without_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With HTTP_PROXY set the demo waited for ever for its own servers."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "corp.example")
    path = program(tmp_path / "studio")
    path.write_text("#!/bin/sh\necho $no_proxy $NO_PROXY\n")
    own = "corp.example,localhost,127.0.0.1"
    assert log_of(local.label_studio(tmp_path, local.free_port(), str(path))) == f"{own} {own}"
    web = Web()
    web.answers["/health"] = Answer()
    server = local.LocalProcess("web", ["sleep", "60"], {}, web.url, tmp_path)
    with server:
        server.wait_until_up()
    web.close()
    assert web.paths() == ["/health"]


def test_the_backend_of_the_demo_gets_no_headers_for_another_label_studio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_HEADERS", '{"X-Gate": "secret"}')
    program(tmp_path / "python").write_text('#!/bin/sh\necho "[$LABEL_STUDIO_HEADERS]"\n')
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert log_of(local.backend(tmp_path, local.free_port(), "http://127.0.0.1:1")) == "[]"


def test_label_studio_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "studio-of-this-test")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    server = local.label_studio(tmp_path / "data", local.free_port(), "studio-of-this-test")
    assert log_of(server) == str((tmp_path / "data").resolve())


def test_label_studio_is_found_by_a_path_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "studio")
    monkeypatch.chdir(tmp_path)
    server = local.label_studio(tmp_path / "data", local.free_port(), "./studio")
    assert log_of(server) == str((tmp_path / "data").resolve())


def test_a_demo_beside_another_server_is_refused(tmp_path: Path) -> None:
    """It would have used that one, and reported that the token is not accepted."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = (other.getsockname()[1], local.free_port())
        with (
            pytest.raises(BackendError, match=f"Port {ports[0]} is already in use"),
            demo.running(tmp_path, "no-such-program", ports),
        ):
            pass


def test_a_label_studio_that_is_not_installed_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="pip install label-studio"):
        local.label_studio(tmp_path, local.free_port(), "no-such-program")
