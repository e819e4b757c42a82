"""Maintains what we keep in Label Studio besides predictions: the webhook, the settings that the
order depends on, and the tabs. People and settings pages change these, too."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backend.errors import AnotherBackend, NotListed, ProjectReplaced, StudioError
from backend.mirror.identity import is_of
from backend.mirror.pool import Pool
from backend.mirror.review import read as read_review
from backend.queue.inbox import Inbox, ProjectState
from backend.queue.listing import Listing, Registration, Row
from backend.queue.overwritten import Overwritten
from backend.queue.publish import out_of_order
from backend.queue.repairs import Repairs
from backend.queue.tabs import ensure_first_tab, ensure_review_tab
from backend.queue.webhook import ensure_webhook, events_for, is_secret_lost, rival_in
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
OWN_ADDRESS = "own address"
"""The fact that holds our address as people entered it under Settings > Model."""
BEFORE = "sampling before"
"""The fact that holds the project's sampling mode before we changed it."""
TAB = "tab"
"""The fact that says whether the first tab was put in order."""

MANY_REPAIRS = 5
"""In ten minutes: more than people change on settings pages."""

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
    ) -> None:
        self._studio = studio
        self._pool = pool
        self._inbox = inbox
        self._overwritten = Overwritten()
        self._repairs = Repairs()
        self._registration = Registration(studio, inbox, pool.fact(OWN_ADDRESS) or "")
        self._rival: Row | None = None
        """Another backend of our kind that was connected before us."""
        inbox.secret = pool.fact(SECRET) or inbox.secret
        pool.remember(SECRET, inbox.secret)
        self._studio_url = connection.url
        self.write_seconds = 0.0
        """How long our changes of the project took, all together."""
        self._reviewed: int | None = pool.fact(REVIEWED)
        """The encoder whose review is done."""
        self._tabs_failed = False
        """Whether Label Studio failed at the project's tabs at the last look, and this was said."""
        self._missed = False
        """Whether settings were lost that have not been reported yet."""

    @property
    def studio_address(self) -> str:
        """Label Studio as browsers reach it."""
        return self._pool.fact(ADDRESS) or self._studio_url

    def look(self) -> Json:
        """The project as Label Studio describes it. People's settings that we overwrote are saved
        again. Raises StudioError, ProjectReplaced when it is another project, NotListed when Label
        Studio does not list us for it, and AnotherBackend."""
        requested = time.monotonic()
        project = self._studio.describe()
        if not is_of(self._pool, project):
            raise ProjectReplaced(
                f"Project {self._studio.number} in Label Studio is not the same as before"
            )
        self._look_at_list()
        lost = self._overwritten.to_restore(self._inbox.changes(), ProjectState(project, requested))
        if lost:
            self._write(lost)
        return project | lost

    def _look_at_list(self) -> None:
        """Go on only while Label Studio lists us for the project, and no other one of our kind was
        there before."""
        self._refuse_rival()
        is_first = self._registration.listing is None
        try:
            listing = self._registration.look()
        except NotListed:
            self.forget_tab()  # whoever connects us again expects it in order
            raise
        if is_first:
            log.info("project %d: connected, as %s", self._studio.number, listing.own.url)
        keep_listing(self._pool, listing)
        if listing.earlier:
            self._rival = rival_in(self._studio.webhooks(), listing, self._inbox.secret)
            self._refuse_rival()

    def _refuse_rival(self) -> None:
        """Raises AnotherBackend as long as the one that was there before us is listed."""
        if self._rival is None:
            return
        if self._registration.is_listed(self._rival):
            raise AnotherBackend(
                f"Another backend of this kind at {self._rival.url} was connected to project "
                f"{self._studio.number} before this one, and both would change the order all the "
                "time. This one has stopped; delete one of the two under Settings > Model"
            )
        self._rival = None
        self._registration.forget()

    def missed(self) -> bool:
        """Whether our write cost somebody settings and nothing says which; once for each loss.
        Checked again before each write, so that no loss is forgotten."""
        found, self._missed = self._notice_missed() or self._missed, False
        return found

    def kept_changing(self) -> str | None:
        """A sentence on what keeps changing the settings that the order depends on, if anything
        does."""
        times = self._repairs.count(time.monotonic())
        if times < MANY_REPAIRS:
            return None
        return (
            f"Something keeps changing the sampling mode or the model version of project "
            f"{self._studio.number}: they were restored {times} times in ten minutes, and are now "
            "restored less often, so the order may be wrong meanwhile. Look for a script, or for "
            "another backend under Settings > Model"
        )

    def _notice_missed(self) -> bool:
        if not self._overwritten.missed(self._inbox.changes()):
            return False
        log.warning("project %d: %s", self._studio.number, MISSED)
        return True

    def ensure_webhook(self, interface: str) -> None:
        """Make Label Studio report the events that matter for this labelling interface."""
        listing = self._registration.listing
        if listing is None:
            return
        own, there = listing.own.url, self._studio.webhooks()
        if is_secret_lost(there, own, self._inbox.secret):
            self._pool.remember(SECRET, self._inbox.new_secret())
        ensure_webhook(self._studio, there, own, self._inbox.secret, events_for(interface))

    def restore_order(self, project: Json, version: str) -> bool:
        """Restore what settings pages have overwritten, according to the project's description.
        Returns False, and changes nothing, if Label Studio has no predictions of the version. What
        somebody keeps changing is restored less and less often."""
        wrong = out_of_order(project, version)
        try:
            if wrong and self._repairs.may(time.monotonic()):
                self._write(wrong)
                self._repairs.add(time.monotonic())
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
        project = self._studio.describe()
        wrong = out_of_order(project, version)
        if "sampling" in wrong:
            self._pool.remember(BEFORE, project["sampling"])
        if wrong:
            self._write(wrong)
        self._put_tab_in_order()

    def forget_tab(self) -> None:
        """To be called when Label Studio has deleted the tabs together with the last tasks, or
        `disconnect` has reset them."""
        self._pool.remember(TAB, False)

    def _write(self, changes: Json) -> None:
        """Change the project, and remember what else was changed at that moment."""
        self._missed = self._notice_missed() or self._missed  # at the previous write
        began = time.monotonic()
        row = self._studio.update(**changes)
        ended = time.monotonic()
        self.write_seconds += ended - began
        self._overwritten.record_write(changes, row, began, ended)

    def _put_tab_in_order(self) -> None:
        """Once only: later changes of the tab by people are kept."""
        if not self._pool.fact(TAB):
            with self._without_tabs():
                ensure_first_tab(self._studio)
                self._pool.remember(TAB, True)

    @contextmanager
    def _without_tabs(self) -> Iterator[None]:
        """Go on if Label Studio fails at the project's tabs: half of an emoji in one of them makes
        it answer 500 for all, in its own Data Manager, too."""
        try:
            yield
        except StudioError as error:
            if error.status != 500:
                raise
            if not self._tabs_failed:  # it is asked again at each look
                log.warning("project %d: the tabs stay as they are: %s", self._studio.number, error)
            self._tabs_failed = True
        else:
            self._tabs_failed = False

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
        again = (review.get("again") or {}).get("tasks", [])  # earlier releases wrote none
        tasks = [one["task"] for one in review["tasks"] + review["people"]["tasks"] + again]
        annotations = self._pool.newest_annotations(dict.fromkeys(tasks))
        with self._without_tabs():
            ensure_review_tab(self._studio, annotations)
            self._pool.remember(REVIEWED, encoder)
        self._reviewed = encoder
        return True


def keep_listing(pool: Pool, listing: Listing) -> None:
    """Remember where Label Studio lists us, and where browsers find it."""
    pool.remember(OWN_ADDRESS, listing.own.url)
    if listing.studio_address:
        pool.remember(ADDRESS, listing.studio_address)
