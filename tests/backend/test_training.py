"""What a project asks of the trainer, which is never started here: jobs only wait."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.interface.names import keys_of, names_of
from backend.interface.parse import EXAMPLE, parse
from backend.interface.questions import Answer
from backend.mirror.labelling import Labelling
from backend.project.context import context_of
from backend.project.encoder_spec import spec_of
from backend.project.loop import ProjectLoop
from backend.project.training import Training
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.messages import Done
from backend.trainer.process import TrainerProcess
from model.heads.head import Head
from model.storage.earlier import Earlier, keep_earlier
from model.storage.facts import VersionFacts
from model.storage.store import HERE, EncoderMeta, Store, Version, write_encoder_meta
from model.types import Ints
from tests.backend.test_routes import NoWork

CONFIG = parse(EXAMPLE)
OTHER = EXAMPLE.replace('value="Yes"', 'value="Topic"')
NOWHERE = Connection("http://127.0.0.1:9", "token")
NONE = np.zeros(0, np.int64)
HEAD = Head("single", ("Yes", "No"), np.zeros((4, 2)), np.zeros(2), np.zeros(4))


class Asked:
    """A project's training, and what waits for the trainer."""

    def __init__(self, folder: Path, settings: Settings, xml: str = EXAMPLE) -> None:
        self.trainer, self.store = TrainerProcess(), Store(folder)
        self.loop = ProjectLoop(7, NOWHERE, lambda *_: NoWork(), 60.0)
        context = context_of(self.loop, NOWHERE, settings, self.trainer)
        self.training = Training(context, self.store)
        self.training.see(xml, parse(xml))

    def is_tuning(self, labels: int) -> bool:
        """Whether a deep round is requested with this many labels."""
        ids = np.arange(labels)
        answers: dict[int, Answer] = {int(task): ("ab"[task % 2],) for task in ids}
        labelling = Labelling(ids, ids, ids < 0, answers, 0, 0, 0, ids < 0, ids[:0], 0)
        self.training.request_deep_round(labelling, forced=False)
        return self.trainer.knows((7, "tune"))

    def is_judging(self, labels: int) -> bool:
        """Whether this many labels are to say something of the earlier encoder."""
        ids = np.arange(labels)
        answers: dict[int, Answer] = {int(task): ("ab"[task % 2],) for task in ids}
        labelling = Labelling(ids, ids, ids < 0, answers, 0, 0, 0, ids < 0, ids[:0], 0)
        self.training.request_judgement(labelling)
        return self.trainer.knows((7, "judge"))

    def asked(self) -> str:
        """What deep rounds of now will be known by."""
        return self.training._asked


def add(store: Store, number: int, settings: Settings, labels: int, asked: str = "") -> None:
    spec = spec_of(CONFIG.layout, settings)
    meta = EncoderMeta(spec.text, spec.text, spec.max_tokens, 4, labels=labels, asked=asked)
    with store.new_encoder(number) as aside:
        write_encoder_meta(aside, replace(meta, source=HERE) if labels else meta)


def encode(store: Store, number: int, keys: Ints) -> None:
    store.vectors(number).append(keys, np.ones((len(keys), 4), dtype=np.float32))


@pytest.mark.parametrize(
    ("labels", "is_due"),
    [(1100, False), (1200, True), (990, False), (19, False), (20, True)],
    ids=["a tenth more", "a fifth more", "ten deleted", "hardly any left", "started again"],
)
def test_a_deep_round_is_due(tmp_path: Path, labels: int, is_due: bool) -> None:
    """Labels that are gone do not count: twelve hundred would have had to come first."""
    settings = Settings(model_dir=tmp_path)
    asked = Asked(tmp_path, settings)
    add(asked.store, 0, settings, 0)
    add(asked.store, 1, settings, 1000, asked.asked())
    assert asked.is_tuning(labels) == is_due


@pytest.mark.parametrize(
    ("xml", "changed"),
    [(OTHER, {}), (EXAMPLE, {"audit_share": 0.3}), (EXAMPLE, {"seed": 1})],
    ids=["other questions", "more audit labels", "other audit labels"],
)
def test_an_encoder_that_learnt_for_something_else_is_followed_by_another(
    tmp_path: Path, xml: str, changed: dict[str, Any]
) -> None:
    """And soon: it has learnt other labels, or labels that are to measure it now."""
    before = Settings(model_dir=tmp_path)
    known = Asked(tmp_path, before)
    add(known.store, 0, before, 0)
    add(known.store, 1, before, 100, known.asked())
    assert not known.is_tuning(100)
    assert Asked(tmp_path, replace(before, **changed), xml).is_tuning(100)


def test_of_a_very_large_pool_only_the_newest_encoder_encodes_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.project.training.SCORED_ROWS", 60)
    settings, keys = Settings(model_dir=tmp_path), np.arange(100)
    asked = Asked(tmp_path, settings)
    add(asked.store, 0, settings, 0)
    encode(asked.store, 0, keys[:60])
    encode(asked.store, 0, keys_of(names_of(CONFIG).values()))
    asked.store.mark_ready(0)
    assert asked.training.request_vectors(0, keys) == 60
    assert asked.trainer.knows((7, "embed 0"))

    later = Asked(tmp_path, settings)
    add(later.store, 1, settings, 20, later.asked())
    assert later.training.request_vectors(0, keys) == 60
    assert later.trainer.knows((7, "embed 1"))
    assert not later.trainer.knows((7, "embed 0"))


@pytest.mark.parametrize(("covered", "is_urgent"), [(0, True), (300, False), (900, True)])
def test_encoding_is_urgent_at_its_beginning_and_at_its_end(
    tmp_path: Path, covered: int, is_urgent: bool
) -> None:
    """People wait for a first order and for new tasks; the middle of a large pool would put off
    all deep rounds for hours."""
    settings, keys = Settings(model_dir=tmp_path), np.arange(1000)
    asked = Asked(tmp_path, settings)
    add(asked.store, 0, settings, 0)
    encode(asked.store, 0, keys[:covered])
    asked.training.request_vectors(0, keys)
    assert asked.trainer._queue.take().is_urgent is is_urgent


@pytest.mark.parametrize(
    ("xml", "label_names", "is_asked"),
    [(EXAMPLE, True, False), (OTHER, True, True), (OTHER, False, False)],
    ids=["nothing new", "a new choice", "names are not used"],
)
def test_the_name_of_a_new_choice_is_asked_for(
    tmp_path: Path, xml: str, label_names: bool, is_asked: bool
) -> None:
    """All tasks have their vectors; only what a label is called is new. Names are no tasks."""
    settings, keys = Settings(model_dir=tmp_path, label_names=label_names), np.arange(100)
    before = Asked(tmp_path, settings)
    add(before.store, 0, settings, 0)
    encode(before.store, 0, keys)
    encode(before.store, 0, keys_of(names_of(CONFIG).values()))
    before.store.mark_ready(0)
    asked = Asked(tmp_path, settings, xml)
    assert asked.training.request_vectors(0, keys) == 100
    assert asked.trainer.knows((7, "embed 0")) == is_asked
    known = {(EXAMPLE, True): 2, (OTHER, True): 1}
    assert asked.training.names_known(0) == known.get((xml, label_names), 0)


def test_a_project_that_cannot_be_taken_over_is_told_once_and_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    settings = Settings(model_dir=tmp_path, transfer_from="3")
    asked = Asked(tmp_path / "7", settings)
    for _ in range(2):
        assert asked.training.newest_encoder() is None
    assert asked.trainer.knows((7, "base"))
    (trouble,) = asked.loop.troubles.newest()
    assert trouble.times == 1
    assert trouble.sentence.startswith(f"TRANSFER_FROM=3: MODEL_DIR={tmp_path} holds no project 3")
    assert trouble.sentence.endswith("It begins with the pretrained encoder")


def test_what_a_job_could_not_use_is_told(tmp_path: Path) -> None:
    asked = Asked(tmp_path / "7", Settings(model_dir=tmp_path))
    asked.training.newest_encoder()
    job = asked.trainer._queue.take()
    job.on_done(job, Done(1, {"encoder": 0, "trouble": "It cannot be loaded"}))
    assert [one.sentence for one in asked.loop.troubles.newest()] == ["It cannot be loaded"]


def test_the_setting_takes_over_only_where_there_is_no_encoder_yet(tmp_path: Path) -> None:
    settings = Settings(model_dir=tmp_path, transfer_from="3")
    add(Store(tmp_path / "3"), 0, settings, 0)
    store = Store(tmp_path / "3")
    store.save_version(Version("0.1", 0, HEAD, np.arange(4), NONE, NONE, VersionFacts()))
    old = Asked(tmp_path / "6", settings)
    add(old.store, 0, settings, 0)
    new = Asked(tmp_path / "7", settings)
    assert old.training.newest_encoder() == 0
    assert new.training.newest_encoder() is None
    assert old.training.beginning.earlier() is None
    assert new.training.beginning.sentence() == (
        "Begins with the pretrained encoder, for project 3 has tuned none, and with its head of 2 "
        "labels."
    )
    assert not new.is_judging(20), "there is no encoder to judge"


def test_a_copy_that_the_disk_does_not_take_is_tried_again(tmp_path: Path) -> None:
    """Nothing waits for the trainer meanwhile: an encoder would be made without it."""
    settings = Settings(model_dir=tmp_path, transfer_from="3")
    earlier = Store(tmp_path / "3")
    add(earlier, 0, settings, 0)
    earlier.save_version(Version("0.1", 0, HEAD, np.arange(4), NONE, NONE, VersionFacts()))
    asked = Asked(tmp_path / "7", settings)
    in_the_way = asked.store.folder / "encoders" / "earlier.unfinished"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("so that no folder of this name can be made")
    with pytest.raises(NotADirectoryError):
        asked.training.newest_encoder()
    assert not asked.trainer.knows((7, "base"))
    in_the_way.unlink()
    assert asked.training.newest_encoder() is None
    assert asked.training.beginning.earlier() is not None
    assert asked.trainer.knows((7, "base"))


def test_labels_are_asked_what_they_say_of_an_earlier_encoder(tmp_path: Path) -> None:
    settings = Settings(model_dir=tmp_path)
    asked = Asked(tmp_path / "7", settings)
    spec = spec_of(CONFIG.layout, settings)
    keep_earlier(asked.store, Earlier("project 3", spec, 7, 412, None), Path.mkdir)
    assert not asked.is_judging(19)
    assert asked.is_judging(20)
    other = Asked(tmp_path / "7", replace(settings, encoder="another"))
    assert not other.is_judging(20), "its encoder is not used"
