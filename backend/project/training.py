"""What a project asks of the trainer for its tasks: an encoder to begin with, vectors, deep rounds.

See backend.project.item_training for what it asks for its dataset.
"""

import json
import logging
import math
import time
from collections.abc import Callable
from hashlib import sha256

from backend.errors import BackendError, TrainerDied
from backend.interface.names import keys_of, names_of
from backend.interface.questions import LabelConfig
from backend.media.access import access_of, without_tokens
from backend.mirror.labelling import Labelling
from backend.mirror.targets import given_labels
from backend.project.beginning import Beginning
from backend.project.context import ProjectContext
from backend.project.encoder_spec import ignored_by, is_tunable, spec_of
from backend.project.transfer import take_over
from backend.trainer.jobs import Job
from backend.trainer.messages import (
    AddBase,
    Advanced,
    Done,
    Embed,
    Judge,
    Request,
    Review,
    Subject,
    Tune,
    kind_of,
)
from model.choosing.choice import SCORED_ROWS
from model.learner import deep_round_due
from model.storage.store import EncoderMeta, Store
from model.types import Ints, is_of_text

log = logging.getLogger(__name__)


RETRY_SECONDS = 600.0
"""A deep round that failed is tried again after this time, even without further labels, and so is
a base encoder that could not be loaded, and what failed with a dataset."""

URGENT_TASKS = 256
"""An order needs vectors of about this many tasks to begin with. Encoding is urgent until there are
so many, and when no more than that are missing; the middle of a large pool takes turns with deep
rounds, which it would put off for hours."""


class Training:
    """Used by the loop's thread alone. Nothing waits for the trainer: the same is asked at each
    turn until it is there, and what is asked already is not asked twice."""

    def __init__(self, context: ProjectContext, store: Store) -> None:
        settings = context.settings
        self._project = context.number
        self._progress = context.progress
        self._troubles = context.troubles
        self._wake = context.wake
        self._trainer = context.trainer
        self._settings = settings
        self._access = access_of(context.connection, settings)
        self._store = store
        self._xml = ""
        self._config: LabelConfig | None = None
        self._asked = ""
        """Identifies what people are asked and which of their labels are audit labels: for any
        other value an encoder's labels count as none, because they say nothing of what is asked
        now, or it has learnt some that are to measure it."""
        self.spec = spec_of(("text",), settings)
        self._name_keys = keys_of(())
        """Content keys of what the labels are called."""
        self.ignored = ignored_by(settings)
        """Kinds of media that nobody here can read."""
        self._base_failed_at = -math.inf
        self._failed_at = (0, 0.0)
        """Labels and time (time.monotonic) of the last deep round that failed."""
        self._failed_review: int | None = None
        self._failed_judging = 0
        """Labels at the last comparison with the earlier encoder that failed."""
        self.beginning = Beginning(store)
        self._has_looked_for_earlier = False

    def see(self, xml: str, config: LabelConfig) -> None:
        """The labelling config as it is now: it tells the trainer what to read."""
        self._xml, self._config = xml, config
        self.spec = spec_of(config.layout, self._settings)
        settings = self._settings
        self._name_keys = keys_of(names_of(config).values() if settings.label_names else ())
        asked = [[one.from_name, one.kind, one.labels] for one in config.questions]
        known = json.dumps([asked, settings.audit_share, settings.seed])
        self._asked = sha256(known.encode()).hexdigest()[:16]

    def newest_encoder(self) -> int | None:
        """The number of the encoder to rank with; None while the first is being prepared.

        The newest one that has encoded the whole pool, or enough of a large one; before any has,
        the oldest, whose vectors come while we rank.
        """
        known = self._store.encoders()
        fitting = [number for number, meta in known.items() if meta.spec.is_like(self.spec)]
        if not fitting and time.monotonic() > self._base_failed_at + RETRY_SECONDS:
            if not known:
                self._take_over()
            self.submit("base", AddBase(self.subject()), is_urgent=True)
        ready = [number for number in fitting if self._store.is_ready(number)]
        # While the first one for other settings comes, one that reads the same will do.
        alike = [number for number in known if known[number].spec.layout == self.spec.layout]
        usable = ready[-1:] or fitting[:1] or alike[-1:]
        return usable[0] if usable else None

    def _take_over(self) -> None:
        """Begin with what TRANSFER_FROM names, unless the project was connected with another. Where
        that cannot be, people are told, and nobody waits."""
        source = self._settings.transfer_from
        if not source or self._has_looked_for_earlier or self.beginning.earlier() is not None:
            return
        try:
            take_over(source, self._settings, self._project, self.spec)
        except BackendError as error:
            sentence = f"TRANSFER_FROM={source}: {error}. It begins with the pretrained encoder"
            log.warning("project %d: %s", self._project, sentence)
            self._troubles.note(sentence)
        self._has_looked_for_earlier = True  # after a full disk, once more

    def request_judgement(self, labelling: Labelling) -> None:
        """Have the encoder of the earlier project compared with the pretrained one."""
        labels, settings = len(labelling.answers), self._settings
        is_due = self.beginning.is_to_be_judged(self.spec, labels)
        if is_due and labels > self._failed_judging:
            request = Judge(self.subject(), labels, settings.empty_is_none, settings.label_names)
            self.submit("judge", request)

    def request_vectors(self, encoder: int, keys: Ints) -> int:
        """Have encoded what has no vector, by `encoder` and by the newest one, names of labels
        among it. Returns how many of the tasks with these content keys have one by `encoder`.

        Of a very large pool, one that a newer follows need not encode the rest.
        """
        newest = self._newest_that_reads_the_same()
        covered = {
            number: int((self._store.encoded(number).rows(keys) >= 0).sum())
            for number in {encoder, newest}
        }
        for number, count in covered.items():
            enough = len(keys) if number == newest else min(len(keys), SCORED_ROWS)
            has_names = self.names_known(number) == len(self._name_keys)
            if count < enough or not has_names or not self._store.is_ready(number):
                request = Embed(self.subject(), number, self._settings.label_names)
                is_urgent = min(count, len(keys) - count) < URGENT_TASKS
                self.submit(f"embed {number}", request, encoder=number, is_urgent=is_urgent)
        return covered[encoder]

    def names_known(self, encoder: int) -> int:
        """How many of the labels' names have a vector by `encoder`."""
        if len(self._name_keys) == 0:
            return 0
        return int((self._store.encoded(encoder).rows(self._name_keys) >= 0).sum())

    def _newest_that_reads_the_same(self) -> int:
        known = self._store.encoders().items()
        return max(number for number, meta in known if meta.spec.layout == self.spec.layout)

    def request_deep_round(self, labelling: Labelling, *, forced: bool) -> None:
        """Fine-tune when there are enough new labels, or when somebody pressed Start Training."""
        settings = self._settings
        labels = len(labelling.answers)
        if not is_tunable(self.spec.layout):
            return
        known = self._store.encoders().values()
        if all(not meta.spec.is_like(self.spec) for meta in known):
            return  # the base encoder of other settings or another interface comes first
        first, growth = settings.deep_round_first, settings.deep_round_growth
        tuned = [meta.labels for meta in known if self._asks_the_same(meta)]
        # One with many more labels than there are has learnt from others, which are gone.
        tuned_on = max((count for count in tuned if count <= labels * (1.0 + growth)), default=0)
        classes = self._classes(labelling)
        is_due = deep_round_due(labels, tuned_on, first, growth, classes)
        enough = is_due and self._may_succeed(labels)
        if len(set(labelling.answers.values())) < 2:
            if forced:
                log.warning("project %d: training needs two different labels", self._project)
            return
        if forced or (settings.deep_rounds and enough):
            request = Tune(
                self.subject(),
                labels=labels,
                asked=self._asked,
                audit_share=settings.audit_share,
                empty_is_none=settings.empty_is_none,
                label_names=settings.label_names,
            )
            self.submit("tune", request)

    def _classes(self, labelling: Labelling) -> int:
        """How many labels a deep round would learn."""
        if self._config is None:
            return 0
        return len(self._config.learnable(given_labels(labelling.answers.values())).labels)

    def _asks_the_same(self, meta: EncoderMeta) -> bool:
        return meta.spec.is_like(self.spec) and meta.asked in ("", self._asked)

    def request_review(self, encoder: int) -> None:
        """Have the labels looked at once more after the deep round that made this encoder."""
        if encoder != self._failed_review:
            empty_is_none = self._settings.empty_is_none
            self.submit("review", Review(self.subject(), encoder, empty_is_none), encoder=encoder)

    def _may_succeed(self, labels: int) -> bool:
        """Not at once after a failure: without further labels or some time it would fail again."""
        failed_labels, failed_at = self._failed_at
        return labels > failed_labels or time.monotonic() > failed_at + RETRY_SECONDS

    def subject(self) -> Subject:
        """What every job is about."""
        layout = self.spec.layout
        return Subject(
            folder=self._store.folder.resolve(),
            interface=self._xml,
            ignored=self.ignored,
            aliases=self._settings.aliases,
            spec=self.spec,
            access=without_tokens(self._access) if is_of_text(layout) else self._access,
            seed=self._settings.seed,
        )

    def submit(
        self,
        what: str,
        request: Request,
        *,
        encoder: int | None = None,
        is_urgent: bool = False,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Have this done, unless it waits already. encoder: the one that it is about, if there is
        one already; `failed` is called in the trainer's thread if it fails."""
        name = (self._project, what)
        if self._trainer.knows(name):
            return
        # A new encoder gets its number when it is made, mostly this one.
        number = self._store.next_encoder() if encoder is None else encoder
        log.info("project %d: %s (encoder %s) is queued", self._project, what, number)

        def on_error(job: Job, error: BackendError) -> None:
            failed()
            self._failed(job, error)

        job = Job(
            name,
            request,
            is_urgent,
            silence=60.0 * self._settings.trainer_timeout_minutes,
            on_progress=self._advanced,
            on_done=self._done,
            on_error=on_error,
            on_death=self._died,
        )
        self._trainer.submit(job)

    # The trainer's thread calls these four; all they do is report and leave hints.

    def _advanced(self, job: Job, answer: Advanced) -> None:
        self._progress.advance(kind_of(job.request), answer.share)
        if isinstance(job.request, Embed):
            self._wake("vectors")

    def _done(self, job: Job, answer: Done) -> None:
        log.info("project %d: %s is done: %s", self._project, job.name[1], answer.facts)
        self._progress.finish()
        if "trouble" in answer.facts:
            self._troubles.note(answer.facts["trouble"])
        self._wake("vectors")

    def _died(self, job: Job, error: TrainerDied) -> None:
        log.warning("project %d: %s waits again: %s", self._project, job.name[1], error)
        self._progress.fail(str(error))
        self._troubles.note(str(error))

    def _failed(self, job: Job, error: BackendError) -> None:
        log.error("project %d: %s failed: %s", self._project, job.name[1], error)
        self._progress.fail(str(error))
        self._troubles.note(str(error))
        if isinstance(job.request, AddBase):
            self._base_failed_at = time.monotonic()
        if isinstance(job.request, Tune):
            self._failed_at = (job.request.labels, time.monotonic())
        if isinstance(job.request, Judge):
            self._failed_judging = job.request.labels
        if isinstance(job.request, Review):
            self._failed_review = job.request.encoder
