"""People who label: a Label Studio user each, who asks, reads, submits, and insists."""

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from backend.dev import local
from backend.errors import StudioError
from backend.studio.api import Studio
from backend.studio.session import Session
from backend.types import Json
from tests.soak.ledger import Failure, Ledger, Saved, Serving

log = logging.getLogger("soak")

Answer = TypeVar("Answer")

SHORTEST, LONGEST = 0.3, 1.0
"""Seconds that an annotator looks at a task."""

PATIENCE = 180.0
"""Seconds after which an annotator stops repeating a call that fails: longer than any outage."""


class Page(Studio):
    """What the labelling page in an annotator's browser sends; nothing is repeated silently."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        self.session = Session(url, token, repeats=0)
        self.user_id = int(self.session.json("GET", "/api/current-user/whoami")["id"])

    def submit(self, task: Json, choice: str) -> int:
        """Returns the new annotation's id. Like the page, name the prediction that was shown."""
        shown = task["predictions"]
        body = {
            "result": result_of(choice),
            "lead_time": 1.0,
            "parent_prediction": shown[0]["id"] if shown else None,
        }
        return int(
            self.session.json("POST", f"/api/tasks/{task['id']}/annotations/", json=body)["id"]
        )

    def own_annotation(self, task: int) -> int | None:
        """The id of this user's annotation of a task, if there is one."""
        rows = self.session.call("GET", f"/api/tasks/{task}/annotations/").json()
        return next((row["id"] for row in rows if row["completed_by"] == self.user_id), None)


class Annotator:
    """Labels tasks with their true topic in its own thread until it is stopped."""

    def __init__(
        self, page: Page, project: int, ledger: Ledger, rng: random.Random, name: str
    ) -> None:
        self._page = page
        self._project = project
        self._ledger = ledger
        self._rng = rng
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the annotator finish the task that is open."""
        self._stopping.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._label_next()
        except Exception:  # the border of the thread: the proof must hear of it
            log.exception("%s gave up", self._thread.name)
            self._ledger.count("annotators gave up")

    def _label_next(self) -> None:
        before, _ = self._insist("look", self._version)
        began = time.monotonic()
        task, tries = self._insist("next", lambda: self._page.of(self._project).next_task())
        ended = time.monotonic()
        after, _ = self._insist("look", self._version)
        if task is None:
            self._ledger.count("nothing to serve")
            self._stopping.wait(LONGEST)
            return
        shown = task["predictions"]
        row = (str(shown[0]["model_version"]), float(shown[0]["score"])) if shown else None
        versions = frozenset({before, after, row[0] if row else before})
        self._ledger.servings.append(Serving(task["id"], began, ended, versions, row, tries > 1))
        self._stopping.wait(self._rng.uniform(SHORTEST, LONGEST))
        self._submit(task, held=began)

    def _submit(self, task: Json, held: float) -> None:
        choice, attempts = task["data"]["topic"], itertools.count()

        def save() -> int:
            # An attempt whose answer was lost may have been saved all the same.
            arrived = self._page.own_annotation(task["id"]) if next(attempts) else None
            return arrived or self._page.submit(task, choice)

        began = time.monotonic()
        annotation, tries = self._insist("submit", save)
        self._ledger.keep(annotation, Saved(task["id"], choice, held, sure=tries == 1))
        self._ledger.waits.append(time.monotonic() - began)

    def _version(self) -> str:
        return self._page.of(self._project).describe()["model_version"] or ""

    def _insist(self, what: str, call: Callable[[], Answer]) -> tuple[Answer, int]:
        """Repeat a call until it succeeds. Returns its answer and the number of attempts.

        Raises StudioError after PATIENCE seconds.
        """
        first, tries = time.monotonic(), 0
        while True:
            began, tries = time.monotonic(), tries + 1
            try:
                return call(), tries
            except StudioError as error:
                self._note(what, began, error)
                if time.monotonic() - first > PATIENCE:
                    raise
                time.sleep(0.5)

    def _note(self, what: str, began: float, error: StudioError) -> None:
        log.info("%s: %s failed: %s", self._thread.name, what, error)
        failure = Failure(what, began, time.monotonic(), error.status, str(error))
        self._ledger.failures.append(failure)


def result_of(choice: str) -> list[Json]:
    value: dict[str, Any] = {"choices": [choice]}
    return [{"from_name": "topic", "to_name": "text", "type": "choices", "value": value}]


def sign_up(url: str, email: str) -> str:
    """Sign up a user the way a person does, and return their token."""
    with requests.Session() as session:
        session.get(f"{url}/user/signup/", timeout=30).raise_for_status()
        form = {
            "email": email,
            "password": local.PASSWORD,
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
            "allow_newsletters": "false",
        }
        session.post(f"{url}/user/signup/", data=form, headers={"Referer": url}, timeout=30)
        answer = session.get(f"{url}/api/current-user/token", timeout=30)
        return str(answer.json()["token"])
