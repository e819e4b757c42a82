"""The application in a test client, and what must hold of each of its answers."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.project.loop import ProjectLoop, Work
from backend.project.service import Service
from backend.project.status import Served
from backend.studio.connection import Connection
from backend.web.wire import install
from tests.backend.test_routes import NoWork


class QuietService(Service):
    """A service whose loops have nothing to do: no Label Studio is there."""

    def _make_work(self, loop: ProjectLoop, connection: Connection) -> Work:
        return NoWork()


class Faults(logging.Handler):
    """Keeps what the log says of errors."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.said.append(logging.Formatter().format(record))


class Wire:
    """The application with project 7 in it, and what must hold of each of its answers."""

    def __init__(self, service: QuietService, served: Served) -> None:
        self.loop = ProjectLoop(7, Connection("", ""), lambda *_: NoWork(), 60.0)
        self.loop.status = replace(self.loop.status, served=served)
        self.service = service
        self.faults = Faults()
        app = Flask("backend")
        install(app, service)
        self.client: FlaskClient = app.test_client()

    def send(self, path: str, method: str = "POST", **request: Any) -> TestResponse:
        self.service._loops = {7: self.loop}
        self.faults.said.clear()
        answer = self.client.open(path, method=method, **request)
        for number, loop in self.service._loops.items():
            if number != 7:
                loop.stop()
        assert self.faults.said == []
        assert answer.status_code < 500 or path == "/ready", answer.text
        if method != "HEAD" and answer.status_code >= 400:
            assert len(strict_json(answer)["error"].strip()) > 8
        return answer

    def post(self, path: str, body: object) -> TestResponse:
        return self.send(path, data=json.dumps(body), content_type="application/json")


def strict_json(answer: TestResponse) -> Any:
    """The body; fails on NaN and infinities, which no other JSON reader takes."""
    return json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
