"""One fast round, top to bottom: what is labelled -> head -> shortlist -> version on disk.

A shortlist has tasks as long as any is open. Those that people asked for come first, then those
that the model can rank, then those that have no vector yet, and last those that cannot be read, so
that Label Studio never runs out of our order, after which it would serve at random whatever is
left.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np

from backend.interface.preannotations import results_of_answer, shortlist_score
from backend.interface.questions import LabelConfig, spans_in
from backend.mirror.labelling import Labelling
from backend.mirror.targets import given_labels
from backend.project.asked import Asked, asked_of
from backend.project.unit import Learnt, Setup
from backend.project.units import unit_of
from backend.project.unranked import unranked_of
from backend.project.versions import least_confidence
from backend.settings import Settings
from backend.types import Json
from model.heads.head import Head
from model.learner import resolve_strategy
from model.snapshot import Policy
from model.storage.facts import VersionFacts
from model.storage.store import Store, Version, version_key
from model.storage.vectors import content_key
from model.types import Bools, Ints


@dataclass(frozen=True)
class Round:
    """A finished fast round: the version, and the predictions to write into Label Studio, of which
    the last `unranked` are of tasks without a vector.

    sample (n,), answers (n, c): ids of tasks drawn at random, and the labels that the version gives
    them (None without a head), to compare versions with each other. lost: why parts of annotations
    could not be learnt, each with the ids of their tasks.
    """

    version: Version
    predictions: list[Json]
    unranked: int
    sample: Ints
    answers: Bools | None
    lost: Mapping[str, list[int]] = field(default_factory=dict)


class FastRounds:
    """The fast rounds of a project with this labelling config."""

    def __init__(self, store: Store, config: LabelConfig, settings: Settings) -> None:
        self._store = store
        self._config = config
        self._settings = settings

    def play(self, labelling: Labelling, setup: Setup) -> Round | None:
        """Learn from what is labelled and rank what is open; None when nothing is known of any task
        and none is open.

        When nothing is open the version has no predictions to write, but knows the last labels.
        Raises ValueError when a pinned version has other labels than the labelling config.
        """
        began = time.monotonic()
        settings = self._settings
        policy = Policy(
            *(self._strategy, setup.size, settings.audit_share, settings.seed, settings.guard),
            goal=setup.goal,
            certify=setup.certify,
        )
        taught = self._config if settings.label_names else self._config.nameless()
        learnt = unit_of(self._store, taught).learn(labelling, setup, policy)
        unranked = unranked_of(labelling, learnt, policy)
        if len(learnt.ids) + len(unranked.asked) + len(unranked.picked) == 0:
            return None
        asked = asked_of(labelling, learnt, unranked, setup.size)
        version = self._version(learnt, labelling, setup, asked, began)
        self._store.save_version(version)
        results = learnt.results(partial(least_confidence, version))
        of_task = dict(zip(learnt.ids[learnt.outcome.rows].tolist(), results, strict=True))
        of_task |= {
            task: results_of_answer(proposal.answer, self._config)
            for task, proposal in labelling.copied.of_tasks(asked.tasks).items()
        }
        predictions = predictions_of(version, of_task)
        sample = learnt.ids[learnt.sample]
        return Round(version, predictions, asked.unranked, sample, learnt.answers, learnt.lost)

    @property
    def _strategy(self) -> str:
        return resolve_strategy(self._settings.strategy)

    def _version(
        self, learnt: Learnt, labelling: Labelling, setup: Setup, asked: Asked, began: float
    ) -> Version:
        ids, outcome, config = learnt.ids, learnt.outcome, self._config
        pinned = setup.pinned
        training = pinned.training if pinned else ids[outcome.training]
        return Version(
            name=next_name(self._store, setup.encoder, setup.taken),
            encoder=setup.encoder,
            head=outcome.head,
            training=training,
            validation=ids[outcome.validation],
            shortlist=asked.tasks,
            facts=VersionFacts(
                created_at=time.time(),
                strategy=self._strategy,
                random_share=round(outcome.random_share, 3),
                labels=len(labelling.answers),
                pool=len(labelling.ids),
                encoded=len(ids),
                ranked=learnt.ranked,
                open=labelling.open_tasks,
                unreadable=asked.unreadable,
                undecided=labelling.undecided,
                empty=labelling.empty,
                skipped=labelling.skipped,
                validation=outcome.metrics,
                # What is learnt grows; what is asked stays the same.
                label_set=label_set(config.labels) if config.is_learnt_in_parts else None,
                names=names_share(outcome.fitted),
                sources=tuple(asdict(one) for one in outcome.sources),
                unanswered=unanswered(labelling, config),
                seconds=round(time.monotonic() - began, 3),
                head_of=pinned.name if pinned else None,
                certifying=asked.certifying,
                outlook=outcome.outlook.to_json() if outcome.outlook else {},
                effort=asdict(labelling.effort),
                picked_first=asked.picked,
                picked_labels=int(np.isin(training, labelling.picked).sum()),
                why=asked.why,
                few=outcome.few,
                fit=outcome.fit,
            ),
            fitted=outcome.fitted,
        )


def unanswered(labelling: Labelling, config: LabelConfig) -> tuple[str, ...]:
    """The names of the questions, of several, that nobody has answered yet."""
    if len(config.questions) == 1:
        return ()
    answered = given_labels(labelling.answers.values())
    if config.marking is not None:
        spans = (span for answer in labelling.answers.values() for span in spans_in(answer))
        answered |= {span.label for span in spans}
    return tuple(one.from_name for one in config.questions if answered.isdisjoint(one.labels))


def names_share(fitted: Head | None) -> float | None:
    """How much of the names of the labels the head holds, 1 before any label; None where names are
    not used."""
    named = fitted if fitted is None or fitted.whole is None else fitted.whole
    if named is None or named.name_shares is None:
        return None
    return round(float(named.name_shares.mean()), 2)


def label_set(labels: tuple[str, ...]) -> str:
    """A short name for these very labels."""
    return f"{len(labels)} labels, {content_key(json.dumps(labels)):x}"


def predictions_of(version: Version, results: Mapping[int, list[Json]]) -> list[Json]:
    """One prediction for each task of the shortlist, scored by its rank. results: by task; without
    those that have no vector."""
    size = len(version.shortlist)
    return [
        {
            "task": task,
            "result": results.get(task, []),
            "score": shortlist_score(rank, size),
            "model_version": version.name,
        }
        for rank, task in enumerate(version.shortlist.tolist())
    ]


def next_name(store: Store, encoder: int, taken: set[str]) -> str:
    """The next version of this encoder. A name is never used twice, not even when our folder was
    lost while Label Studio kept its predictions: two sets under one name would mix their scores."""
    refits = [0]
    for name in {*store.version_names(), *taken}:
        try:
            major, refit = version_key(name)
        except ValueError:
            continue  # somebody else's predictions
        if major == encoder:
            refits.append(refit)
    return f"{encoder}.{max(refits) + 1}"
