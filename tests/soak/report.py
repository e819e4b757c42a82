"""What a soak proved: the evidence is gathered once, when all has healed, and then judged."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import requests

from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.mirror.pool import Pool
from backend.settings import Settings
from backend.types import Json
from model.learner import deep_round_due
from model.storage.store import Version
from tests.soak import proof
from tests.soak.ledger import Serving
from tests.soak.pictures import contradictions
from tests.soak.world import World

SHOWN = 20
"""Contradictions of one proof that are printed."""


@dataclass(frozen=True)
class Report:
    """counts: what happened, by name; proofs: what had to be proved -> all that contradicts it."""

    counts: dict[str, object]
    proofs: dict[str, list[str]]

    def failed(self) -> list[str]:
        return [f"{name}: {wrong}" for name, found in self.proofs.items() for wrong in found]

    def text(self) -> str:
        lines = [json.dumps(self.counts, indent=1)]
        for name, wrong in self.proofs.items():
            lines.append(f"{'FAILED' if wrong else 'proved'}: {name}")
            lines += [f"    {sentence}" for sentence in wrong[:SHOWN]]
        return "\n".join(lines)


@dataclass(frozen=True)
class Truth:
    """Label Studio's side, from its API: tasks, their labels, and the labelling interface."""

    tasks: list[Json]
    config: LabelConfig
    labels: dict[int, str]
    named: str

    @classmethod
    def of(cls, world: World) -> "Truth":
        project = world.studio.of(world.project).describe()
        config, tasks = parse(project["label_config"]), list(world.studio.of(world.project).tasks())
        return cls(tasks, config, proof.labels_of(tasks, config.labels), project["model_version"])


def unhealed(world: World) -> list[str]:
    """What the served version does not know yet, and what the backend still has to do."""
    truth, served, store = Truth.of(world), world.served(), world.store()
    if truth.named != served or served not in store.version_names():
        return [f"the backend serves version {served!r}, Label Studio follows {truth.named!r}"]
    version = store.load_version(served)
    lacking = proof.unlearnt(truth.labels, version.training.tolist(), version.validation.tolist())
    return lacking + _unfinished(world, version, len(truth.labels))


def _unfinished(world: World, version: Version, labels: int) -> list[str]:
    encoders, settings = world.store().encoders(), Settings()
    newest = max(encoders)
    due = deep_round_due(
        labels,
        encoders[newest].labels,
        settings.deep_round_first,
        settings.deep_round_growth,
        classes=0 if version.head is None else len(version.head.labels),
    )
    wrong = [f"a deep round is due at {labels} labels and was not done"] if due else []
    if version.encoder != newest:
        wrong.append(f"version {version.name} does not use the newest encoder, {newest}")
    return wrong


def report_of(world: World, left: dict[Path, int], healed: float) -> Report:
    """left: what the last power cut left unfinished on disk, by inode; healed: seconds."""
    store, ledger = world.store(), world.ledger
    versions = {name: store.load_version(name) for name in store.version_names()}
    shortlists = {name: version.shortlist.tolist() for name, version in versions.items()}
    taken = proof.intervals(ledger.saved.values())
    verdicts = [(proof.judge(one, shortlists, taken), one) for one in ledger.servings]
    order = [str(one) for verdict, one in verdicts if verdict == "out of order"]
    order += proof.wrong_scores(ledger.servings, shortlists)
    proofs = _proofs(world) | {
        "every `next` was the minimum of a version": order,
        "every version that was served is whole": proof.not_whole(
            served_in(ledger.servings), world.studio.of(world.project).model_versions(), shortlists
        ),
        "folders are whole": _damage(world, left),
    }
    counts = _counts(world) | {
        "next": dict(Counter(verdict for verdict, _ in verdicts)),
        "versions": len(versions),
        "healed in seconds": round(healed, 1),
    }
    return Report(counts, proofs)


def _proofs(world: World) -> dict[str, list[str]]:
    ledger, truth = world.ledger, Truth.of(world)
    submits = [failure for failure in ledger.failures if failure.what == "submit"]
    others = [failure for failure in ledger.failures if failure.what != "submit"]
    gave_up = ["an annotator gave up; see soak.log"] * ledger.counts["annotators gave up"]
    return {
        "no submit failed because of us": proof.unexcused(submits, ledger.outages) + gave_up,
        "no other call of an annotator did": proof.unexcused(others, ledger.outages),
        "each labelled task is in the last version's training or validation set exactly once, "
        "nothing else is, and no deep round is due": unhealed(world),
        "the backend's mirror has Label Studio's labels": _mirror_differs(world, truth),
        "no label was lost": proof.lost(ledger.there(), truth.tasks),
        "the pictures are in an order, and the poisoned one is set aside": wrong_pictures(world),
        "the second backend kept out": _rival_wrote(world),
    }


def wrong_pictures(world: World) -> list[str]:
    """What is wrong with the second project."""
    try:
        return contradictions(world.state(world.pictures))
    except (requests.RequestException, KeyError) as error:
        return [f"the backend does not say how it is ({error!r})"]


def _rival_wrote(world: World) -> list[str]:
    """Versions that the second backend wrote, while the first was there."""
    folder = world.folder / "rival" / "models" / str(world.project) / "versions"
    return [f"it wrote version {path.name}" for path in folder.glob("*")]


def _counts(world: World) -> dict[str, object]:
    ledger = world.ledger
    log = world.server.log.read_text(errors="replace")
    return {
        **dict(sorted(ledger.counts.items())),
        "kills": kills(world),
        "trainer kills in the middle of a job": log.count("trainer died in"),
        "submits": len(ledger.saved),
        "failed calls": dict(Counter(failure.what for failure in ledger.failures)),
        "slowest submit, seconds": round(max(ledger.waits, default=0.0), 1),
        "deep rounds": sum(meta.labels > 0 for meta in world.store().encoders().values()),
        "versions served to annotators": len(served_in(ledger.servings)),
    }


def kills(world: World) -> int:
    counts = world.ledger.counts
    return counts["kill the server"] + counts["kill the trainer"]


def served_in(servings: list[Serving]) -> set[str]:
    return {one.shown[0] for one in servings if one.shown}


def _mirror_differs(world: World, truth: Truth) -> list[str]:
    with closing(Pool(world.project_folder() / "pool.sqlite")) as pool:
        found = pool.labelling(truth.config, empty_is_none=False).answers
    wanted = {task: (label,) for task, label in truth.labels.items()}
    return [
        f"task {task}: {found.get(task)} in the mirror, {wanted.get(task)} in Label Studio"
        for task in sorted(found.keys() | wanted.keys())
        if found.get(task) != wanted.get(task)
    ]


def _damage(world: World, left: dict[Path, int]) -> list[str]:
    """Half-written folders that outlived the last start, and a database that is not whole."""
    wrong = [
        f"{path} was left unfinished before the last start and is still there"
        for path, inode in left.items()
        if path.exists() and path.stat().st_ino == inode
    ]
    with closing(sqlite3.connect(world.project_folder() / "pool.sqlite")) as db:
        verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
    return wrong if verdict == "ok" else [*wrong, f"pool.sqlite: {verdict}"]
