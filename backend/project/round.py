"""One fast round, top to bottom: what is labelled -> head -> shortlist -> version on disk."""

import json
import time
from dataclasses import dataclass
from functools import partial

from backend.interface.preannotations import shortlist_score
from backend.interface.questions import LabelConfig
from backend.mirror.pool import Labelling
from backend.project.spans import learn_spans
from backend.project.versions import least_confidence
from backend.project.whole_tasks import Texts, given, learn_labels
from backend.settings import Settings
from backend.types import Json
from model.heads.head import Head
from model.learner import resolve_strategy
from model.snapshot import Policy
from model.storage.store import Store, Version, version_key
from model.storage.vectors import content_key
from model.types import Bools, Ints


@dataclass(frozen=True)
class Round:
    """A finished fast round: the version, and the predictions to write into Label Studio.

    sample (n,), answers (n, c): ids of tasks drawn by lot, and the labels that the version gives
    them (None without a head), to compare versions with each other.
    """

    version: Version
    predictions: list[Json]
    sample: Ints
    answers: Bools | None


def play(
    store: Store,
    labelling: Labelling,
    config: LabelConfig,
    settings: Settings,
    encoder: int,
    size: int,
    taken: set[str],
    previous: Version | None,
    pinned: Version | None,
    texts: Texts,
) -> Round | None:
    """Learn from what is labelled and rank what is open; None when no task can be read yet.

    When nothing is open the version has no predictions to write, but knows the last labels.

    `taken`: version names that Label Studio holds; the new name differs from all of them.
    `pinned`: a version of this encoder whose head ranks as it is; nothing is learnt then. Raises
    ValueError when it has other labels than the labelling config. `texts`: ids of tasks -> what
    they show.
    """
    began = time.monotonic()
    strategy = resolve_strategy(settings.strategy)
    policy = Policy(strategy, size, settings.audit_share, settings.seed, settings.guard)
    start = None
    if previous is not None and previous.encoder == encoder:
        start = previous.fitted or previous.head
    fixed = pinned.head if pinned else None
    learn = learn_spans if config.kind == "spans" else learn_labels
    taught = config if settings.label_names else config.nameless()
    learnt = learn(store, labelling, taught, encoder, policy, start, fixed)
    if len(learnt.ids) == 0:
        return None
    ids, outcome = learnt.ids, learnt.outcome
    version = Version(
        name=next_name(store, encoder, taken),
        encoder=encoder,
        head=outcome.head,
        training=pinned.training if pinned else ids[outcome.training],
        validation=ids[outcome.validation],
        shortlist=ids[outcome.rows],
        meta={
            "created_at": time.time(),
            "strategy": strategy,
            "random_share": round(outcome.random_share, 3),
            "labels": len(labelling.answers),
            "pool": len(labelling.ids),
            "ranked": learnt.ranked,
            "undecided": labelling.undecided,
            "empty": labelling.empty,
            "skipped": labelling.skipped,
            "validation": outcome.metrics,
            # What is learnt becomes more and more; what is asked stays the same.
            **({"label_set": label_set(config.labels)} if config.is_learnt_in_parts else {}),
            **names_share(outcome.fitted),
            "unanswered": unanswered(labelling, config),
            "seconds": round(time.monotonic() - began, 3),
            **({"head_of": pinned.name} if pinned else {}),
        },
        fitted=outcome.fitted,
    )
    store.save_version(version)
    results = learnt.results(texts, partial(least_confidence, version))
    return Round(version, predictions_of(version, results), ids[learnt.sample], learnt.answers)


def unanswered(labelling: Labelling, config: LabelConfig) -> list[str]:
    """The names of the questions, of several, that nobody has answered yet."""
    if len(config.questions) == 1:
        return []
    answered = given(labelling.answers.values())
    return [one.from_name for one in config.questions if answered.isdisjoint(one.labels)]


def names_share(fitted: Head | None) -> Json:
    """`names`: how much of what the labels' names say the head holds, 1 before any label; {} where
    names have no say."""
    if fitted is None or fitted.name_shares is None:
        return {}
    return {"names": round(float(fitted.name_shares.mean()), 2)}


def label_set(labels: tuple[str, ...]) -> str:
    """A short name for these very labels."""
    return f"{len(labels)} labels, {content_key(json.dumps(labels)):x}"


def predictions_of(version: Version, results: list[list[Json]]) -> list[Json]:
    """One prediction for each task of the shortlist, scored by its rank."""
    size = len(version.shortlist)
    return [
        {
            "task": task,
            "result": result,
            "score": shortlist_score(rank, size),
            "model_version": version.name,
        }
        for rank, (task, result) in enumerate(zip(version.shortlist.tolist(), results, strict=True))
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
