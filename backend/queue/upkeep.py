"""What stands in Label Studio because of us, beside the predictions: the webhook, the settings that
make the order, the tabs. People and settings pages change these, too."""

import logging
import time

from backend.errors import ProjectReplaced, StudioError
from backend.mirror.pool import Pool
from backend.project.loop import Connection, ProjectLoop, Told
from backend.queue.overwritten import Overwritten, is_of, read_project
from backend.queue.publish import out_of_order
from backend.queue.webhook import (
    ensure_first_tab,
    ensure_review_tab,
    ensure_webhook,
    events_for,
    typed_address,
)
from backend.settings import Settings
from backend.studio.api import Studio
from backend.trainer.review import read as read_review
from backend.types import Json
from model.storage.store import Store

log = logging.getLogger(__name__)

SECRET = "secret"
"""The fact that holds what our webhook carries, see ProjectLoop.secret."""
REVIEWED = "reviewed"
"""The fact that holds the encoder whose review the tab *Review labels* shows."""
ADDRESS = "address"
"""The fact that holds where browsers find Label Studio."""
TAB = "tab"
"""The fact that tells whether the first tab was put in order."""

MISSED = (
    "Somebody saved settings in the very moment in which the backend switched the version, and "
    "Label Studio kept only one of the two. Look in the project's settings whether the last change "
    "is there; if it is not, save it once more"
)


class Upkeep:
    """Looks after a project in Label Studio; used by the loop's thread alone."""

    def __init__(
        self,
        loop: ProjectLoop,
        studio: Studio,
        pool: Pool,
        connection: Connection,
        settings: Settings,
    ) -> None:
        self._loop = loop
        self._project = loop.project
        self._studio = studio
        self._pool = pool
        self._connection = connection
        self._settings = settings
        self._overwritten = Overwritten()
        loop.secret = pool.fact(SECRET) or loop.secret
        pool.remember(SECRET, loop.secret)
        if connection.studio_address:
            pool.remember(ADDRESS, connection.studio_address)
        loop.studio_address = pool.fact(ADDRESS) or connection.url
        self._reviewed: int | None = pool.fact(REVIEWED)
        """The encoder whose review needs nothing more."""
        self._typed: str | None = None
        """Our address as it stands in Label Studio; None while it was not found there."""

    def look(self) -> Json:
        """The project as Label Studio describes it. What we undid of people's settings is saved
        once more. Raises StudioError, and ProjectReplaced when it is another project."""
        asked = time.monotonic()
        project = read_project(self._studio, self._project)
        if not is_of(self._pool, project):
            raise ProjectReplaced(f"Label Studio has another project {self._project} now")
        lost = self._overwritten.found(list(self._loop.told), Told(project, asked))
        if lost:
            self._write(lost)
        return project | lost

    def tell_what_was_missed(self) -> None:
        """When somebody's settings were lost to us and nothing tells what they were."""
        if self._overwritten.missed(list(self._loop.told)):
            log.warning("project %d: %s", self._project, MISSED)
            self._loop.note(MISSED)

    def put_webhook_right(self, interface: str) -> None:
        """Label Studio must tell us what happens to what the labelling interface asks."""
        told = self._connection.backend_url
        if told:
            self._typed = self._typed or typed_address(self._studio, self._project, told)
            url, secret, events = self._typed or told, self._loop.secret, events_for(interface)
            ensure_webhook(self._studio, self._project, url, self._settings, secret, events)

    def put_order_right(self, project: Json, version: str) -> bool:
        """Restore what settings pages have overwritten in the project as it was described. Returns
        False, and changes nothing, when Label Studio has no predictions of the version."""
        wrong = out_of_order(project, version)
        try:
            if wrong:
                self._write(wrong)
                log.info("project %d: put right %s", self._project, " and ".join(sorted(wrong)))
        except StudioError as error:
            if error.status != 400:
                raise
            return False
        self._put_tab_in_order()
        return True

    def switch(self, version: str) -> None:
        """Let Label Studio serve this version from the next task on: one atomic write."""
        self._write({"model_version": version})

    def finish_connecting(self, version: str) -> None:
        """The first order stands: now, and not before, let Label Studio follow it."""
        wrong = out_of_order(read_project(self._studio, self._project), version)
        if wrong:
            self._write(wrong)
        self._put_tab_in_order()

    def forget_tab(self) -> None:
        """Label Studio deletes the tabs with the last tasks."""
        self._pool.remember(TAB, False)

    def _write(self, changes: Json) -> None:
        """Change the project, and remember what else was changed at that moment."""
        self.tell_what_was_missed()  # at the write before this one
        began = time.monotonic()
        row = self._studio.update_project(self._project, **changes)
        self._overwritten.wrote(changes, row, began, time.monotonic())

    def _put_tab_in_order(self) -> None:
        """Once only: what people make of the tab afterwards is theirs."""
        if not self._pool.fact(TAB):
            ensure_first_tab(self._studio, self._project)
            self._pool.remember(TAB, True)

    def show_review(self, store: Store, encoder: int) -> bool:
        """Fill the tab *Review labels* with the review made with this encoder, once. Returns False
        when it must be made first."""
        if encoder == self._reviewed:
            return True
        if store.encoders()[encoder].labels == 0:
            self._reviewed = encoder  # as it comes: no deep round was played yet
            return True
        review = read_review(store.folder)
        if review.get("encoder") != encoder:
            return False
        tasks = [one["task"] for one in review["tasks"] + review["people"]["tasks"]]
        annotations = self._pool.newest_annotations(dict.fromkeys(tasks))
        ensure_review_tab(self._studio, self._project, annotations)
        self._pool.remember(REVIEWED, encoder)
        self._reviewed = encoder
        return True
