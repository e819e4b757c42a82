"""What people ask of a pool that they look at, project by project."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from backend.errors import BackendError, BadRequest
from backend.explore import points, search
from backend.explore.shown import shown
from backend.explore.thumbnail import thumbnail
from backend.explore.view import PoolView, viewed
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.map_drawing import LOOKED_AT
from backend.project.service import Service
from backend.queue.tabs import CHOSEN_TITLE, MOST_CHOSEN, ensure_chosen_tab
from backend.studio.api import Studio
from backend.types import Json


class Explorer:
    """Any thread may use it. Keeps the last view: reading a pool of a million takes seconds, and
    somebody who looks at one task mostly looks at the next one, too."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._places = threading.BoundedSemaphore(max(1, service.settings.threads // 4))
        """For requests that take seconds in a large pool: the other threads stay free."""
        self._last: tuple[tuple[int, int], PoolView] | None = None

    def view(self, project: int) -> PoolView:
        """The project's pool as it is now. Raises UnknownProject, NotConnected while nothing can be
        seen, and BadRequest for spans and boxes."""
        served, folder = self._service.loop(project).served, self._folder(project)
        revision = 0
        if served is not None:
            with closing(Pool(folder / MIRROR)) as pool:
                revision = pool.revision()
        now, last = (project, revision), self._last
        # Not by its name: after a new start of the project rows may be others, see Turns.
        if last is not None and last[0] == now and last[1].served is served:
            return last[1]
        view = viewed(served, folder, self._service.settings)
        self._last = now, view
        return view

    def map(self, project: int, question: str) -> Json:
        """All that is drawn, see `points.as_json`. Has a map drawn where there is none, and drawn
        again after deep rounds, for a day."""
        with self._place():
            view, folder = self.view(project), self._folder(project)
            with closing(Pool(folder / MIRROR)) as pool:
                pool.remember(LOOKED_AT, time.time())
            found = points.points_of(view, folder)
            if found.of is None or (len(found) < len(view.ids) and not found.is_sample):
                self._service.loop(project).wake("vectors")
            return points.as_json(view, found, question)

    def label(self, project: int, question: str, label: str) -> Json:
        """What is known of one answer to a question, see `points.one_label`."""
        with self._place():
            view = self.view(project)
            found = points.points_of(view, self._folder(project))
            return points.one_label(view, found, question, label)

    def tasks(self, project: int, tasks: list[int]) -> list[Json]:
        """What is known of these tasks, see `shown`."""
        return shown(self.view(project), self._folder(project), tasks)

    def by_words(self, project: int, words: str) -> list[Json]:
        """The tasks nearest to these words, each as in `tasks` and with its `cosine`."""
        with self._place():
            view = self.view(project)
            # By the view's encoder: another one may be served by now.
            encoded = partial(self._service.encoded, view.served)
            return self._with_contents(view, project, search.by_words(view, words, encoded))

    def like(self, project: int, tasks: list[int]) -> list[Json]:
        """The same for tasks like these."""
        with self._place():
            view = self.view(project)
            return self._with_contents(view, project, search.like(view, tasks))

    def thumbnail(self, project: int, task: int, place: int) -> bytes | None:
        """A small picture of a part of a task as a JPEG, if there is one."""
        return thumbnail(self.view(project), self._folder(project), task, place)

    def show_in_data_manager(self, project: int, tasks: list[int]) -> str:
        """Have the first MOST_CHOSEN of these tasks shown in a tab of their own. Returns a
        sentence. Raises StudioError, and BadRequest for no tasks."""
        if not tasks:
            raise BadRequest("No task is named, so there is nothing to show: choose some first")
        some = tasks[:MOST_CHOSEN]
        one = self._service.loop(project).connection
        studio = Studio(one.url, one.token, one.spare_token, headers=one.headers)
        with closing(studio):
            ensure_chosen_tab(studio.of(project), some)
        which = f"{len(some):,} task" + ("" if len(some) == 1 else "s")
        if len(some) < len(tasks):
            which = f"the first {which} of {len(tasks):,}"
        return f'The Data Manager shows {which} in its tab "{CHOSEN_TITLE}".'

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise BackendError("Too many others look at pools at the moment; try again soon")
        try:
            yield
        finally:
            self._places.release()

    def _with_contents(self, view: PoolView, project: int, found: list[Json]) -> list[Json]:
        contents = shown(view, self._folder(project), [row["task"] for row in found])
        rows = {one["task"]: one for one in contents}
        return [{**rows[row["task"]], **row} for row in found if row["task"] in rows]

    def _folder(self, project: int) -> Path:
        return self._service.folder(project)
