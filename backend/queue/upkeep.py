"""Maintains what we keep in Label Studio besides predictions: the webhook, the settings that the
order depends on, and the tabs. People and settings pages change these, too."""

import logging
import time

from backend.errors import ProjectReplaced, StudioError
from backend.mirror.identity import is_of
from backend.mirror.pool import Pool
from backend.mirror.review import read as read_review
from backend.queue.inbox import Inbox, ProjectState
from backend.queue.overwritten import Overwritten
from backend.queue.publish import out_of_order
from backend.queue.tabs import ensure_first_tab, ensure_review_tab
from backend.queue.webhook import ensure_webhook, events_for, typed_address, webhook_headers
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.studio.project import StudioProject
from backend.types import Json
from model.storage.store import Store

log = logging.getLogger(__name__)

SECRET = "secret"
"""The fact that holds the secret that our webhook sends, see Inbox.secret."""
REVIEWED = "reviewed"
"""The fact that holds the encoder whose review the tab *Review labels* shows."""
ADDRESS = "address"
"""The fact that holds the address at which browsers find Label Studio."""
TAB = "tab"
"""The fact that says whether the first tab was put in order."""

MISSED = (
    "Somebody saved settings at the very moment when the backend switched the version, and Label "
    "Studio kept only one of the two changes. Check in the project's settings whether the last "
    "change is there; if it is not, save it again"
)


class Upkeep:
    """Maintains a project in Label Studio; used only by the loop's thread."""

    def __init__(
        self,
        studio: StudioProject,
        pool: Pool,
        inbox: Inbox,
        connection: Connection,
        settings: Settings,
    ) -> None:
        self._studio = studio
        self._pool = pool
        self._inbox = inbox
        self._backend_url = connection.backend_url
        self._settings = settings
        self._overwritten = Overwritten()
        inbox.secret = pool.fact(SECRET) or inbox.secret
        pool.remember(SECRET, inbox.secret)
        if connection.studio_address:
            pool.remember(ADDRESS, connection.studio_address)
        self.studio_address: str = pool.fact(ADDRESS) or connection.url
        """Label Studio as browsers reach it."""
        self._reviewed: int | None = pool.fact(REVIEWED)
        """The encoder whose review is done."""
        self._missed = False
        """Whether settings were lost that have not been reported yet."""
        self._typed: str | None = None
        """Our address as it is in Label Studio; None until it has been found there."""

    def look(self) -> Json:
        """The project as Label Studio describes it. People's settings that we overwrote are saved
        again. Raises StudioError, and ProjectReplaced when it is another project."""
        requested = time.monotonic()
        project = self._studio.describe()
        if not is_of(self._pool, project):
            raise ProjectReplaced(
                f"Project {self._studio.number} in Label Studio is not the same as before"
            )
        lost = self._overwritten.to_restore(self._inbox.changes(), ProjectState(project, requested))
        if lost:
            self._write(lost)
        return project | lost

    def missed(self) -> bool:
        """Whether our write cost somebody settings and nothing says which; once for each loss.
        Checked again before each write, so that no loss is forgotten."""
        found, self._missed = self._notice_missed() or self._missed, False
        return found

    def _notice_missed(self) -> bool:
        if not self._overwritten.missed(self._inbox.changes()):
            return False
        log.warning("project %d: %s", self._studio.number, MISSED)
        return True

    def ensure_webhook(self, interface: str) -> None:
        """Make Label Studio report the events that matter for this labelling interface."""
        seen = self._backend_url
        if not seen:
            return
        self._typed = self._typed or typed_address(self._studio, seen)
        headers = webhook_headers(self._settings, self._inbox.secret)
        ensure_webhook(self._studio, self._typed or seen, headers, events_for(interface))

    def restore_order(self, project: Json, version: str) -> bool:
        """Restore what settings pages have overwritten, according to the project's description.
        Returns False, and changes nothing, if Label Studio has no predictions of the version."""
        wrong = out_of_order(project, version)
        try:
            if wrong:
                self._write(wrong)
                log.info(
                    "project %d: restored %s", self._studio.number, " and ".join(sorted(wrong))
                )
        except StudioError as error:
            if error.status != 400:
                raise
            return False
        self._put_tab_in_order()
        return True

    def switch(self, version: str) -> None:
        """Make Label Studio serve this version from the next task on, in one atomic write."""
        self._write({"model_version": version})

    def finish_connecting(self, version: str) -> None:
        """The first order is written: only now make Label Studio follow it."""
        wrong = out_of_order(self._studio.describe(), version)
        if wrong:
            self._write(wrong)
        self._put_tab_in_order()

    def forget_tab(self) -> None:
        """To be called when Label Studio has deleted the tabs together with the last tasks."""
        self._pool.remember(TAB, False)

    def _write(self, changes: Json) -> None:
        """Change the project, and remember what else was changed at that moment."""
        self._missed = self._notice_missed() or self._missed  # at the previous write
        began = time.monotonic()
        row = self._studio.update(**changes)
        self._overwritten.record_write(changes, row, began, time.monotonic())

    def _put_tab_in_order(self) -> None:
        """Once only: later changes of the tab by people are kept."""
        if not self._pool.fact(TAB):
            ensure_first_tab(self._studio)
            self._pool.remember(TAB, True)

    def show_review(self, store: Store, encoder: int) -> bool:
        """Fill the tab *Review labels* with the review made with this encoder, once. Returns False
        if that review must be made first."""
        if encoder == self._reviewed:
            return True
        if store.encoders()[encoder].labels == 0:
            self._reviewed = encoder  # pretrained: there has been no deep round yet
            return True
        review = read_review(store.folder)
        if review.get("encoder") != encoder:
            return False
        tasks = [one["task"] for one in review["tasks"] + review["people"]["tasks"]]
        annotations = self._pool.newest_annotations(dict.fromkeys(tasks))
        ensure_review_tab(self._studio, annotations)
        self._pool.remember(REVIEWED, encoder)
        self._reviewed = encoder
        return True
