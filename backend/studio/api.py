"""Label Studio's REST API outside of a single project; see backend.studio.project for that."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from backend.studio.project import StudioProject
from backend.studio.session import Session
from backend.studio.tasks import PAGE
from backend.types import Headers, Json

IMPORT_FLAG = "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short"
"""With this flag, Label Studio recounts only the tasks of a prediction import, not the whole
project."""


class Studio:
    """One Label Studio. For one thread; errors are StudioError."""

    def __init__(
        self,
        url: str,
        token: str,
        spare_token: str = "",
        clock: Callable[[], float] = time.monotonic,
        *,
        headers: Headers = (),
    ) -> None:
        """`spare_token` is used once Label Studio refuses the first; `headers`: see Session."""
        self.session = Session(url, token, spare_token, clock, headers=headers)

    @property
    def url(self) -> str:
        return self.session.url

    def close(self) -> None:
        self.session.close()

    def of(self, project: int) -> StudioProject:
        """The project with this number, whether or not it exists."""
        return StudioProject(self.session, project)

    def projects(self) -> Iterator[Json]:
        """`id` and `title` of all projects that the token's user may see."""
        number, is_more = 1, True
        while is_more:
            params: Json = {"page": number, "page_size": PAGE, "include": "id,title"}
            page = self.session.json("GET", "/api/projects/", params=params)
            yield from page["results"]
            number, is_more = number + 1, page["next"] is not None

    def create_project(self, **values: Any) -> Json:
        return self.session.json("POST", "/api/projects/", json=values)

    def annotate(self, task: int, result: list[Json]) -> Json:
        body = {"result": result, "lead_time": 1.0}
        return self.session.json("POST", f"/api/tasks/{task}/annotations/", json=body)
