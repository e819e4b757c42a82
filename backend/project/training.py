"""What a project asks of the trainer: an encoder to begin with, vectors, deep rounds."""

import json
import logging
import math
import time
from dataclasses import asdict, replace
from hashlib import sha256

from backend.errors import BackendError
from backend.interface.names import keys_of, names_of
from backend.interface.questions import LabelConfig, SourceKind
from backend.media.access import Access
from backend.mirror.pool import Labelling
from backend.project.loop import Activity, ProjectLoop
from backend.project.whole_tasks import given
from backend.settings import Settings
from backend.trainer.process import Job, Trainer
from backend.types import Json
from model.choosing.choice import SCORED_ROWS
from model.learner import deep_round_due
from model.storage.store import EncoderMeta, EncoderSpec, Store
from model.types import Ints, Layout

log = logging.getLogger(__name__)


RETRY_SECONDS = 600.0
"""A deep round that failed is tried again after so long, even without further labels, and so is a
base encoder that could not be loaded."""

NONE = "none"
"""In place of an encoder's name: what it would read is left out."""


def spec_of(layout: Layout, settings: Settings) -> EncoderSpec:
    """The encoder that the settings name for what a project shows."""
    text = settings.encoder if {"text", "tokens"} & set(layout) else ""
    image = settings.image_encoder if {"image", "video"} & set(layout) else ""
    audio = settings.audio_encoder if "audio" in layout else ""
    return EncoderSpec(layout, text, image, settings.max_tokens, audio)


def ignored_by(settings: Settings) -> list[SourceKind]:
    """The media that the settings name no encoder for."""
    of_pictures: list[SourceKind] = ["image", "video"]
    of_sounds: list[SourceKind] = ["audio"]
    ignored = of_pictures if settings.image_encoder == NONE else []
    return ignored + (of_sounds if settings.audio_encoder == NONE else [])


def is_tunable(layout: Layout) -> bool:
    """Whether deep rounds teach the encoder anything: sounds alone take too long for that. Networks
    of texts and pictures are tuned, and of clips single frames are learnt from."""
    return set(layout) != {"audio"}


class Training:
    """Used by the loop's thread alone. Nothing waits for the trainer: the same is asked at each
    turn until it is there, and what is asked already is not asked twice.

    access: how the trainer fetches media.
    """

    def __init__(
        self,
        loop: ProjectLoop,
        store: Store,
        settings: Settings,
        trainer: Trainer,
        access: Access,
    ) -> None:
        self._loop = loop
        self._project = loop.project
        self._store = store
        self._settings = settings
        self._trainer = trainer
        self._access = access
        self._xml = ""
        self._config: LabelConfig | None = None
        self._asked = ""
        """Names what people are asked and which of their labels are audit labels: for others than
        these an encoder's labels count as none, for they tell nothing of what is asked now, or
        it has learnt some that are to measure it."""
        self._spec = spec_of(("text",), settings)
        self._name_keys = keys_of(())
        """Content keys of what the labels are called."""
        self.ignored = ignored_by(settings)
        """Kinds of media that nobody here can read."""
        self._base_failed_at = -math.inf
        self._failed_at = (0, 0.0)
        """Labels and time (time.monotonic) of the last deep round that failed."""
        self._failed_review: int | None = None

    def see(self, xml: str, config: LabelConfig) -> None:
        """The labelling config as it is now: it tells the trainer what to read."""
        self._xml, self._config = xml, config
        self._spec = spec_of(config.layout, self._settings)
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
        fitting = [number for number, meta in known.items() if meta.spec == self._spec]
        if not fitting and time.monotonic() > self._base_failed_at + RETRY_SECONDS:
            self._submit("base", {})
        ready = [number for number in fitting if self._store.is_ready(number)]
        # While the first one for other settings comes, one that reads the same will do.
        alike = [number for number in known if known[number].spec.layout == self._spec.layout]
        usable = ready[-1:] or fitting[:1] or alike[-1:]
        return usable[0] if usable else None

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
                facts = {"encoder": number, "label_names": self._settings.label_names}
                self._submit(f"embed {number}", facts)
        return covered[encoder]

    def names_known(self, encoder: int) -> int:
        """How many of the labels' names have a vector by `encoder`."""
        if len(self._name_keys) == 0:
            return 0
        return int((self._store.vectors(encoder).rows(self._name_keys) >= 0).sum())

    def _newest_that_reads_the_same(self) -> int:
        known = self._store.encoders().items()
        return max(number for number, meta in known if meta.spec.layout == self._spec.layout)

    def request_deep_round(self, labelling: Labelling, *, forced: bool) -> None:
        """Fine-tune when there are enough new labels, or when somebody pressed Start Training."""
        settings = self._settings
        labels = len(labelling.answers)
        if not is_tunable(self._spec.layout):
            return
        known = self._store.encoders().values()
        if all(meta.spec != self._spec for meta in known):
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
            facts = {
                "audit_share": settings.audit_share,
                "empty_is_none": settings.empty_is_none,
                "labels": labels,
                "asked": self._asked,
                "label_names": settings.label_names,
            }
            self._submit("tune", facts)

    def _classes(self, labelling: Labelling) -> int:
        """How many labels a deep round would learn."""
        if self._config is None:
            return 0
        return len(self._config.learnable(given(labelling.answers.values())).labels)

    def _asks_the_same(self, meta: EncoderMeta) -> bool:
        return meta.spec == self._spec and meta.asked in ("", self._asked)

    def request_review(self, encoder: int) -> None:
        """Have the labels looked at once more after the deep round that made this encoder."""
        settings = self._settings
        if encoder == self._failed_review:
            return
        self._submit("review", {"encoder": encoder, "empty_is_none": settings.empty_is_none})

    def _may_succeed(self, labels: int) -> bool:
        """Not at once after a failure: without further labels or some time it would fail again."""
        failed_labels, failed_at = self._failed_at
        return labels > failed_labels or time.monotonic() > failed_at + RETRY_SECONDS

    def _submit(self, what: str, request: Json) -> None:
        name = (self._project, what)
        if self._trainer.knows(name):
            return
        facts = {
            "job": what.split(maxsplit=1)[0],
            "folder": str(self._store.folder.resolve()),
            "config": self._xml,
            "ignored": self.ignored,
            "spec": asdict(self._spec),
            "access": asdict(self._access),
            "seed": self._settings.seed,
            **request,
        }
        # A new encoder has its number when it is made, mostly this one.
        number = request.get("encoder", self._store.next_encoder())
        log.info("project %d: %s (encoder %d) is queued", self._project, what, number)
        self._trainer.submit(
            Job(name, facts, self._job_progressed, self._job_done, self._job_failed)
        )

    # The trainer's thread calls these three; all they do is tell and leave hints.

    def _job_progressed(self, job: Job, answer: Json) -> None:
        before, kind, share = self._loop.activity, job.request["job"], answer["share"]
        if before is not None and before.job == kind:
            self._loop.activity = replace(before, share=share)
        else:
            self._loop.activity = Activity(kind, share, time.time(), share)
        if answer["stage"] == "embed":
            self._loop.wake("vectors")

    def _job_done(self, job: Job, answer: Json) -> None:
        log.info("project %d: %s is done: %s", self._project, job.name[1], answer)
        self._loop.activity = self._loop.training_trouble = None
        self._loop.wake("vectors")

    def _job_failed(self, job: Job, error: BackendError) -> None:
        log.error("project %d: %s failed: %s", self._project, job.name[1], error)
        self._loop.activity = None
        self._loop.training_trouble = str(error)
        self._loop.note(str(error))
        if job.request["job"] == "base":
            self._base_failed_at = time.monotonic()
        if job.request["job"] == "tune":
            self._failed_at = (job.request["labels"], time.monotonic())
        if job.request["job"] == "review":
            self._failed_review = job.request["encoder"]
