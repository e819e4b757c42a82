"""Label Studio's REST API: the calls that we make, and nothing else."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from backend.studio.session import Session, decoded
from backend.types import Json

PAGE = 1000
WRITE_TIMEOUT = 600.0
"""Without the server flag, Label Studio recounts the whole project at each import."""

TASK_FIELDS = "id,data,annotations,result,was_cancelled"


class Studio:
    """One Label Studio. Made for one thread; errors are StudioError."""

    def __init__(
        self,
        url: str,
        token: str,
        spare_token: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`spare_token` is used from the time on when Label Studio refuses the first."""
        self.session = Session(url, token, spare_token, clock)

    @property
    def url(self) -> str:
        return self.session.url

    def close(self) -> None:
        self.session.close()

    def server_time(self) -> datetime:
        """Label Studio's clock at its last answer to us (asked now when there was none)."""
        return self.session.server_time()

    def project(self, project: int) -> Json:
        return self.session.json("GET", f"/api/projects/{project}/")

    def update_project(self, project: int, **changes: Any) -> Json:
        return self.session.json("PATCH", f"/api/projects/{project}/", json=changes)

    def create_project(self, **values: Any) -> Json:
        return self.session.json("POST", "/api/projects/", json=values)

    def import_tasks(self, project: int, tasks: list[Json]) -> Json:
        path = f"/api/projects/{project}/import"
        return self.session.json("POST", path, json=tasks, timeout=WRITE_TIMEOUT)

    def tasks(
        self, project: int, since: str | None = None, up_to: int | None = None
    ) -> Iterator[Json]:
        """Tasks with their annotations, by id; only those updated after `since` if given, and only
        those whose ids are at most `up_to`."""
        items = []
        if since is not None:
            items.append(_filter("updated_at", "greater", "Datetime", since))
        if up_to is not None:
            items.append(_filter("id", "less_or_equal", "Number", up_to))
        for page, _ in self._pages(project, TASK_FIELDS, items):
            yield from page

    def task_pages(self, project: int, after: int) -> Iterator[tuple[list[Json], int]]:
        """Those whose ids are greater than `after`, in lists of at most PAGE; and with each list,
        how many are left behind it."""
        return self._pages(project, TASK_FIELDS, [], after)

    def task_ids(self, project: int) -> set[int]:
        """The ids of all tasks: the only way to learn which ones were deleted."""
        return {task["id"] for page, _ in self._pages(project, "id", []) for task in page}

    def next_task(self, project: int) -> Json | None:
        """The task that Label Studio's labelling stream serves to us; None when there is none."""
        response = self.session.call("GET", f"/api/projects/{project}/next", allowed=(404,))
        return None if response.status_code == 404 else decoded(response)

    def lowest_scored(self, project: int) -> int | None:
        """The unlabelled task with the lowest score of the project's current version."""
        unlabelled = [_filter("total_annotations", "equal", "Number", 0)]
        page = self._page(project, "id", unlabelled, 1, ordering="tasks:predictions_score")
        tasks: list[Json] = page["tasks"]
        return tasks[0]["id"] if tasks else None

    def annotate(self, task: int, result: list[Json]) -> Json:
        body = {"result": result, "lead_time": 1.0}
        return self.session.json("POST", f"/api/tasks/{task}/annotations/", json=body)

    def import_predictions(self, project: int, predictions: list[Json]) -> int:
        """Write predictions in one request. Returns how many Label Studio kept."""
        path = f"/api/projects/{project}/import/predictions"
        answer = self.session.json("POST", path, json=predictions, timeout=WRITE_TIMEOUT)
        return int(answer.get("created", 0))

    def predictions(self, project: int) -> list[Json]:
        response = self.session.call("GET", "/api/predictions/", params={"project": project})
        rows: list[Json] = response.json()
        return rows

    def model_versions(self, project: int) -> dict[str, int]:
        """Names of the prediction versions that the project holds, with their counts."""
        return self.session.json("GET", f"/api/projects/{project}/model-versions/")

    def delete_model_version(self, project: int, version: str) -> None:
        path = f"/api/projects/{project}/model-versions/"
        body = {"model_version": version}
        self.session.call("DELETE", path, json=body, timeout=WRITE_TIMEOUT, allowed=(404,))

    def webhooks(self, project: int) -> list[Json]:
        rows: list[Json] = self.session.call(
            "GET", "/api/webhooks/", params={"project": project}
        ).json()
        # Without a project of its own a webhook belongs to the whole organisation.
        return [row for row in rows if row.get("project") == project]

    def create_webhook(self, values: Json) -> Json:
        return self.session.json("POST", "/api/webhooks/", json=values)

    def update_webhook(self, webhook: int, values: Json) -> Json:
        return self.session.json("PATCH", f"/api/webhooks/{webhook}/", json=values)

    def delete_webhook(self, webhook: int) -> None:
        self.session.call("DELETE", f"/api/webhooks/{webhook}/", allowed=(404,))

    def backends(self, project: int) -> list[Json]:
        """The project's ML backends. Label Studio asks each of them for /health and /setup."""
        rows: list[Json] = self.session.call("GET", "/api/ml/", params={"project": project}).json()
        return rows

    def connect_backend(self, values: Json) -> Json:
        return self.session.json("POST", "/api/ml/", json=values)

    def tabs(self, project: int) -> list[Json]:
        rows: list[Json] = self.session.call(
            "GET", "/api/dm/views/", params={"project": project}
        ).json()
        return rows

    def create_tab(self, project: int, data: Json) -> Json:
        return self.session.json("POST", "/api/dm/views/", json={"project": project, "data": data})

    def update_tab(self, project: int, tab: int, data: Json) -> Json:
        body = {"project": project, "data": data}
        path = f"/api/dm/views/{tab}/"
        return self.session.json("PATCH", path, params={"project": project}, json=body)

    def projects(self) -> Iterator[Json]:
        """`id` and `title` of all projects that the token's user may see."""
        number, is_more = 1, True
        while is_more:
            params: Json = {"page": number, "page_size": PAGE, "include": "id,title"}
            page = self.session.json("GET", "/api/projects/", params=params)
            yield from page["results"]
            number, is_more = number + 1, page["next"] is not None

    def _pages(
        self, project: int, include: str, items: list[Json], after: int = 0
    ) -> Iterator[tuple[list[Json], int]]:
        # Each begins behind the last task of the one before: by numbers of pages, one task would be
        # missed for each that is deleted meanwhile.
        left = 1
        while left > 0:
            behind = [*items, _filter("id", "greater", "Number", after)]
            page = self._page(project, include, behind, PAGE)
            tasks: list[Json] = page["tasks"]
            if not tasks:
                return
            after, left = tasks[-1]["id"], int(page["total"]) - len(tasks)
            yield tasks, left

    def _page(
        self,
        project: int,
        include: str,
        items: list[Json],
        size: int,
        ordering: str = "tasks:id",
    ) -> Json:
        """The first `size` tasks in this order, and as `total` how many there are."""
        query = {
            "filters": {"conjunction": "and", "items": items},
            "ordering": [ordering],
        }
        params = {
            "project": project,
            "page": 1,
            "page_size": size,
            "fields": "all" if include == TASK_FIELDS else "task_only",
            "include": include,
            "query": json.dumps(query),
        }
        return self.session.json("GET", "/api/tasks/", params=params)


def _filter(name: str, operator: str, kind: str, value: Any) -> Json:
    return {"filter": f"filter:tasks:{name}", "operator": operator, "type": kind, "value": value}
