"""How long it takes from a submit to the first order that knows of it."""

import logging
import time

from backend.project.context import ProjectContext
from backend.queue.inbox import Submit
from model.storage.store import Version

log = logging.getLogger(__name__)


class Refreshes:
    """The labels that came by webhook and that no order knows of yet."""

    def __init__(self, context: ProjectContext) -> None:
        self._inbox, self._metrics = context.inbox, context.metrics
        self._project = context.number
        self._open: list[Submit] = []

    def note(self, version: Version) -> None:
        """This version is served: count and log the labels that it is the first to know."""
        self._open += self._inbox.take_submits()
        known = {*version.training.tolist(), *version.validation.tolist()}
        for submit in self._open:
            if submit.task in known:
                self._note(submit, version.name)
        self._open = [submit for submit in self._open if submit.task not in known]

    def forget(self, before: float) -> None:
        """Those that came before this time (time.monotonic) were read, and changed no answer."""
        self._open += self._inbox.take_submits()
        self._open = [submit for submit in self._open if submit.at >= before]

    def _note(self, submit: Submit, version: str) -> None:
        seconds = time.monotonic() - submit.at
        self._metrics.refresh.observe(seconds)
        log.info(
            "project %d: version %s is the first to know the label of task %d, %.2f s after its "
            "webhook",
            self._project,
            version,
            submit.task,
            seconds,
        )
