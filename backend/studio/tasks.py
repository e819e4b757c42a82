"""Reads a project's tasks from Label Studio, page by page.

One task that Label Studio cannot send makes it answer 500 for the whole page: half of an emoji in a
text is enough, because no JSON in UTF-8 can hold it. Such a task is found by halving its page and
is named in its place, so that all others are read.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from backend.errors import StudioError
from backend.studio.session import Session
from backend.types import UNSENT, Json

PAGE = 1000
"""The most tasks in one response."""

ANNOTATION_FIELDS = (
    "annotations,result,was_cancelled,completed_by,created_at,updated_at,lead_time,"
    "parent_annotation"
)
TASK_FIELDS = f"id,data,meta,{ANNOTATION_FIELDS}"
PREDICTION_FIELDS = "id,predictions,result,model_version,created_at,updated_at"
ID_FIELD = "id"
STATE_FIELDS = f"id,{ANNOTATION_FIELDS},predictions,model_version"

FAILURE = 500
"""The status with which Label Studio fails at a page."""

FAILING = 100
"""Where all of so many tasks cannot be sent, the fault is Label Studio's and not that of a task."""


class TaskPages:
    """The tasks of one project. For one thread; errors are StudioError."""

    def __init__(self, session: Session, project: int) -> None:
        self._session = session
        self._project = project

    def pages(
        self, include: str, items: list[Json], after: int = 0
    ) -> Iterator[tuple[list[Json], int]]:
        """The tasks whose ids are greater than `after` and that pass the filters `items`, by id, in
        lists of at most PAGE; with each list, the number of tasks that follow it."""
        # Each page starts after the last task of the previous one: with page numbers, one task
        # would be missed for each one that is deleted in the meantime.
        left = 1
        while left > 0:
            behind = [*items, where("id", "greater", "Number", after)]
            tasks, total = self.first(include, behind, PAGE)
            if not tasks:
                return
            after, left = tasks[-1]["id"], total - len(tasks)
            yield tasks, left

    def first(
        self, include: str, items: list[Json], size: int, ordering: str = "tasks:id"
    ) -> tuple[list[Json], int]:
        """The first `size` tasks in this order, and how many there are."""
        try:
            return self._asked(include, items, size, ordering)
        except StudioError as error:
            if error.status != FAILURE or include == ID_FIELD:
                raise
            failure = error
        named, total = self._asked(ID_FIELD, items, size, ordering)
        tasks = self._each(include, items, [task["id"] for task in named])
        if len(tasks) >= FAILING and all(UNSENT in task for task in tasks):
            raise failure
        return tasks, total

    def these(self, include: str, ids: Iterable[int]) -> list[Json]:
        """Those of these tasks that are still there, each asked for alone."""
        return [task for one in ids for task in self._each(include, [], [one])]

    def _each(self, include: str, items: list[Json], ids: list[int]) -> list[Json]:
        """The tasks with these ids that pass the filters; what Label Studio cannot send is named
        with UNSENT. An error that has passed meanwhile names none."""
        if not ids:
            return []
        among = [
            where("id", "greater", "Number", ids[0] - 1),
            where("id", "less_or_equal", "Number", ids[-1]),
        ]
        try:
            return self._asked(include, [*items, *among], PAGE)[0]
        except StudioError as error:
            if error.status != FAILURE:
                raise
            if len(ids) == 1:
                return [{"id": ids[0], UNSENT: _sentence(ids[0], error)}]
        middle = len(ids) // 2
        halves = ids[:middle], ids[middle:]
        return [task for half in halves for task in self._each(include, items, half)]

    def _asked(
        self, include: str, items: list[Json], size: int, ordering: str = "tasks:id"
    ) -> tuple[list[Json], int]:
        query = {"filters": {"conjunction": "and", "items": items}, "ordering": [ordering]}
        params = {
            "project": self._project,
            "page": 1,
            "page_size": size,
            "fields": "task_only" if include == ID_FIELD else "all",
            "include": include,
            "query": json.dumps(query),
        }
        page = self._session.json("GET", "/api/tasks/", params=params)
        return page["tasks"], int(page["total"])


def where(name: str, operator: str, kind: str, value: Any) -> Json:
    """A filter of the Data Manager."""
    return {"filter": f"filter:tasks:{name}", "operator": operator, "type": kind, "value": value}


def _sentence(task: int, error: StudioError) -> str:
    return (
        f"Label Studio cannot send this task: it answers {error.status}. Half of an emoji in a "
        "text does that, in the task or in an annotation. Correct the text through Label Studio's "
        f"API (PATCH /api/tasks/{task}/), or delete the task"
    )
