"""The calls of Label Studio's REST API that we make for one project."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from backend.errors import ProjectGone, StudioError
from backend.studio.refusals import decoded
from backend.studio.session import Session
from backend.studio.tasks import (
    ID_FIELD,
    PREDICTION_FIELDS,
    STATE_FIELDS,
    TASK_FIELDS,
    TaskPages,
    where,
)
from backend.types import Json

WRITE_TIMEOUT = 600.0
"""Seconds. Without the server flag, Label Studio recounts the whole project at each import."""

BATCH_BYTES = 900_000
"""Of predictions or tasks in one request: a proxy before Label Studio often lets no more than 1 MB
through. Not less: without the server flag each request costs a recount."""
SENT_AS_JSON = {"Content-Type": "application/json"}


class StudioProject:
    """A project in Label Studio. For one thread; errors are StudioError.

    Of a task that Label Studio cannot send, the methods that read tasks give `id` and UNSENT.
    """

    def __init__(self, session: Session, number: int) -> None:
        self.session = session
        self.number = number
        self._path = f"/api/projects/{number}/"
        self._mine = {"project": number}
        self._tasks = TaskPages(session, number)

    def describe(self) -> Json:
        """The project as Label Studio describes it. Raises StudioError, and ProjectGone."""
        try:
            return self.session.json("GET", self._path)
        except StudioError as error:
            if error.status != 404:
                raise
            raise ProjectGone(
                f"Label Studio has no project {self.number}, or the token's user may not see it. "
                f"If it was deleted, delete MODEL_DIR/{self.number}, too, and restart the backend; "
                "otherwise set LABEL_STUDIO_API_KEY to the token of a user who may edit it",
                404,
            ) from error

    def update(self, **changes: Any) -> Json:
        """Change these values. Returns the changed project."""
        return self.session.json("PATCH", self._path, json=changes)

    def import_tasks(self, tasks: list[Json]) -> Json:
        path = f"{self._path}import"
        return self.session.json("POST", path, json=tasks, timeout=WRITE_TIMEOUT)

    def import_in_pieces(self, tasks: list[Json]) -> None:
        """The same in requests of at most BATCH_BYTES each."""
        path = f"{self._path}import"
        for body in bodies(tasks, BATCH_BYTES):
            self.session.call("POST", path, data=body, headers=SENT_AS_JSON, timeout=WRITE_TIMEOUT)

    def tasks(self, since: str | None = None, up_to: int | None = None) -> Iterator[Json]:
        """Tasks with their annotations, by id; only those updated after `since` if given, and only
        those whose ids are at most `up_to`."""
        items = []
        if since is not None:
            items.append(where("updated_at", "greater", "Datetime", since))
        if up_to is not None:
            items.append(where("id", "less_or_equal", "Number", up_to))
        for page, _ in self._tasks.pages(TASK_FIELDS, items):
            yield from page

    def task_pages(self, after: int) -> Iterator[tuple[list[Json], int]]:
        """Tasks whose ids are greater than `after`, in lists of at most PAGE; with each list, the
        number of tasks that follow it."""
        return self._tasks.pages(TASK_FIELDS, [], after)

    def these(self, ids: Iterable[int]) -> list[Json]:
        """Those of these tasks that are still there; a request for each."""
        return self._tasks.these(TASK_FIELDS, ids)

    def annotated(self, after: int, most: int) -> tuple[list[Json], int | None]:
        """Tasks with annotations, skips among them, whose ids are greater than `after`, and up to
        which id these are all; None: to the end. At most `most` that are not merely skipped."""
        given, skipped = (
            where(f"{kind}_annotations", "greater", "Number", 0) for kind in ("total", "cancelled")
        )
        behind = where("id", "greater", "Number", after)
        tasks, total = self._tasks.first(TASK_FIELDS, [behind, given], most)
        found = {task["id"]: task for task in tasks}
        up_to = max(found) if total > len(found) else None
        items = [skipped]
        if up_to is not None:
            items.append(where("id", "less_or_equal", "Number", up_to))
        for others, _ in self._tasks.pages(TASK_FIELDS, items, after):
            found.update((task["id"], task) for task in others)
        return list(found.values()), up_to

    def open_tasks(self, first: int, last: int) -> Iterator[Json]:
        """The tasks with ids from `first` to `last` that nobody has annotated or skipped, with
        their `predictions`."""
        items = [
            where(f"{kind}_annotations", "equal", "Number", 0) for kind in ("total", "cancelled")
        ]
        for task in self._between(first, last, items):
            # A count may be old: two requests at the same time, such as a submit and an import of
            # predictions, write the same one.
            if not task.get("annotations"):
                yield task

    def states(self, first: int, last: int) -> Iterator[Json]:
        """The tasks with ids from `first` to `last`, with their annotations and predictions, and
        without their data."""
        return self._between(first, last, [])

    def _between(self, first: int, last: int, items: list[Json]) -> Iterator[Json]:
        up_to = where("id", "less_or_equal", "Number", last)
        for page, _ in self._tasks.pages(STATE_FIELDS, [*items, up_to], first - 1):
            yield from page

    def annotate(self, task: int, values: Json) -> Json | None:
        """Make an annotation. Returns it as Label Studio keeps it; None when it has one with this
        `unique_id` already, or the task is gone."""
        path = f"/api/tasks/{task}/annotations/"
        answer = self.session.call("POST", path, json=values, allowed=(404, 409))
        return None if answer.status_code in (404, 409) else decoded(answer)

    def delete_task(self, task: int) -> None:
        self.session.call("DELETE", f"/api/tasks/{task}/", allowed=(404,))

    def delete_annotation(self, annotation: int) -> None:
        self.session.call("DELETE", f"/api/annotations/{annotation}/", allowed=(404,))

    def delete_prediction(self, prediction: int) -> None:
        self.session.call("DELETE", f"/api/predictions/{prediction}/", allowed=(404,))

    def delete_all_predictions(self, tasks: Sequence[int]) -> None:
        """Delete all predictions on these tasks, whoever made them, in one request."""
        self.session.call(
            "POST",
            "/api/dm/actions",
            params={"id": "delete_tasks_predictions", "project": self.number},
            json={"selectedItems": {"all": False, "included": list(tasks)}},
        )

    def task_ids(self) -> set[int]:
        """The ids of all tasks: the only way to find out which ones were deleted."""
        return {task["id"] for page, _ in self._tasks.pages(ID_FIELD, []) for task in page}

    def next_task(self) -> Json | None:
        """The task that Label Studio's labelling stream serves us; None if there is none."""
        response = self.session.call("GET", f"{self._path}next", allowed=(404,))
        return None if response.status_code == 404 else decoded(response)

    def lowest_scored(self) -> int | None:
        """The unlabelled task with the lowest score under the project's current version."""
        unlabelled = [where("total_annotations", "equal", "Number", 0)]
        tasks, _ = self._tasks.first(ID_FIELD, unlabelled, 1, ordering="tasks:predictions_score")
        return tasks[0]["id"] if tasks else None

    def import_predictions(self, predictions: list[Json], most: int = BATCH_BYTES) -> int:
        """Import predictions, in as few requests as `most` bytes each allow. Returns how many Label
        Studio kept."""
        path = f"{self._path}import/predictions"
        answers = [
            self.session.json("POST", path, data=body, headers=SENT_AS_JSON, timeout=WRITE_TIMEOUT)
            for body in bodies(predictions, most)
        ]
        return sum(int(answer.get("created", 0)) for answer in answers)

    def predictions(self) -> list[Json]:
        return self._rows("/api/predictions/")

    def model_versions(self) -> dict[str, int]:
        """The prediction versions in the project by name, with their counts."""
        return self.session.json("GET", f"{self._path}model-versions/")

    def versions_in_detail(self) -> dict[str, list[Any]]:
        """The same with the number of predictions and the time when the last one was made."""
        answer = self.session.json(
            "GET", f"{self._path}model-versions/", params={"extended": "true"}
        )
        return {
            str(row["model_version"] or ""): [row["count"], str(row["latest"])]
            for row in answer["static"]
        }

    def predicted(self, after: int) -> Iterator[tuple[list[Json], int]]:
        """Tasks with predictions whose ids are greater than `after`, with their `predictions`, in
        lists of at most PAGE; with each list, the number of tasks that follow it."""
        # Not by their versions: with a thousand of them, Label Studio fails.
        some = where("total_predictions", "greater", "Number", 0)
        return self._tasks.pages(PREDICTION_FIELDS, [some], after)

    def delete_model_version(self, version: str) -> None:
        path = f"{self._path}model-versions/"
        body = {"model_version": version}
        self.session.call("DELETE", path, json=body, timeout=WRITE_TIMEOUT, allowed=(404,))

    def webhooks(self) -> list[Json]:
        # A webhook without a project belongs to the whole organisation.
        return [row for row in self._rows("/api/webhooks/") if row.get("project") == self.number]

    def create_webhook(self, values: Json) -> Json:
        return self.session.json("POST", "/api/webhooks/", json={**values, **self._mine})

    def update_webhook(self, webhook: int, values: Json) -> Json:
        return self.session.json("PATCH", f"/api/webhooks/{webhook}/", json=values)

    def delete_webhook(self, webhook: int) -> None:
        self.session.call("DELETE", f"/api/webhooks/{webhook}/", allowed=(404,))

    def backends(self) -> list[Json]:
        """The project's ML backends. Label Studio calls /health and /setup of each of them."""
        return self._rows("/api/ml/")

    def backend_versions(self, backend: int) -> list[Any] | None:
        """What this backend answers to Label Studio's GET /versions; [] if it does not answer, None
        if Label Studio has no such backend."""
        try:
            answer = self.session.json("GET", f"/api/ml/{backend}/versions")
        except StudioError as error:
            if error.status is None:
                raise
            return None if error.status == 404 else []
        versions = answer.get("versions")
        return versions if isinstance(versions, list) else []

    def connect_backend(self, values: Json) -> Json:
        return self.session.json("POST", "/api/ml/", json={**values, **self._mine})

    def disconnect_backend(self, backend: int) -> None:
        self.session.call("DELETE", f"/api/ml/{backend}", allowed=(404,))

    def tabs(self) -> list[Json]:
        """The tabs of the project's Data Manager."""
        return self._rows("/api/dm/views/")

    def create_tab(self, data: Json) -> Json:
        return self.session.json("POST", "/api/dm/views/", json={**self._mine, "data": data})

    def update_tab(self, tab: int, data: Json) -> Json:
        body = {**self._mine, "data": data}
        return self.session.json("PATCH", f"/api/dm/views/{tab}/", params=self._mine, json=body)

    def delete_tab(self, tab: int) -> None:
        path = f"/api/dm/views/{tab}/"
        self.session.call("DELETE", path, params=self._mine, allowed=(404,))

    def _rows(self, path: str) -> list[Json]:
        rows: list[Json] = self.session.json("GET", path, params=self._mine)["items"]
        return rows


def bodies(rows: list[Json], most: int) -> Iterator[bytes]:
    """The rows as JSON lists of at most `most` bytes each; a row that is larger has its own."""
    batch: list[str] = []
    size = 0
    for row in rows:
        packed = json.dumps(row, separators=(",", ":"), allow_nan=False)
        if batch and size + len(packed) + 2 > most:
            yield _listed(batch)
            batch, size = [], 0
        batch.append(packed)
        size += len(packed) + 1  # ASCII, and a comma or a bracket
    if batch:
        yield _listed(batch)


def _listed(packed: list[str]) -> bytes:
    return f"[{','.join(packed)}]".encode()
