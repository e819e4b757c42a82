"""Near copies in a project: what the trainer finds, when it looks, and what people said of them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.interface.parse import EXAMPLE, parse
from backend.interface.preannotations import results_of_answer
from backend.mirror.copied import ALONE, Grouping, Proposal, copied_in, copied_of
from backend.mirror.pool import Pool
from backend.project.context import context_of
from backend.project.loop import ProjectLoop
from backend.project.near_copies import REST, NearCopies
from backend.project.training import Training
from backend.settings import Settings
from backend.trainer.copies import find_copies
from backend.trainer.messages import FindCopies, request_line, request_of
from backend.trainer.process import TrainerProcess
from backend.types import Json
from model.storage.copies import Copies, load_copies, save_copies
from model.storage.store import HERE, EncoderMeta, Store, write_encoder_meta
from model.storage.vectors import content_key
from model.types import EncoderSpec
from tests.backend.test_routes import NoWork
from tests.backend.test_trainer import IGNORE, subject_of
from tests.backend.test_training import NOWHERE

CONFIG = parse(EXAMPLE)
TEXTS = ("Where is my card?", "where is my card", "Where's that card of mine", "I lost it", "So?")
SPEC = EncoderSpec(("text",), "none", "", 8)
VECTORS = np.array([[9, 0, 0], [9, 0, 0], [9, 0.5, 0], [-5, 9, 0], [-4, -9, 5]], np.float32)


def tasks(*texts: str, first: int = 11) -> list[Json]:
    return [
        {"id": first + place, "data": {"text": text}, "annotations": []}
        for place, text in enumerate(texts)
    ]


def add_encoder(store: Store, number: int, source: str = "none") -> None:
    with store.new_encoder(number) as aside:
        write_encoder_meta(aside, EncoderMeta(source, "none", 8, 3))
    store.vectors(number).append(np.array([content_key(text) for text in TEXTS]), VECTORS)
    store.mark_ready(number)


class Project:
    """A folder with these texts as tasks 11, 12, ...; the trainer is never started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.trainer = folder, Store(folder), TrainerProcess()
        self.pool = Pool(folder / "pool.sqlite")
        self.pool.update(tasks(*TEXTS), CONFIG)
        loop = ProjectLoop(7, NOWHERE, lambda *_: NoWork(), 60.0)
        context = context_of(loop, NOWHERE, Settings(model_dir=folder), self.trainer)
        training = Training(context, self.store)
        training.see(EXAMPLE, CONFIG)
        self.near = NearCopies(self.store, self.pool, training)

    def job(self, encoder: int = 0) -> FindCopies:
        return FindCopies(subject_of(self.folder, EXAMPLE, SPEC, Settings()), encoder)

    def find(self, encoder: int = 0) -> Json:
        return find_copies(self.job(encoder), IGNORE)

    def found_in(self, seconds: float) -> None:
        """Find the copies, as if that had taken so long."""
        self.find()
        found = load_copies(self.folder)
        assert found is not None
        save_copies(self.folder, replace(found, seconds=seconds))
        self.look()

    def groups(self) -> list[int]:
        """Of the tasks 11, 12, ..., numbered as they come."""
        labelling = self.pool.labelling(CONFIG, False)
        groups = copied_in(self.folder, labelling).grouping.groups.tolist()
        numbers = {ALONE: ALONE}
        return [numbers.setdefault(group, len(numbers) - 1) for group in groups]

    def is_asked(self, encoder: int = 0) -> bool:
        _, keys = self.pool.keys(CONFIG, 0)
        self.near.request(encoder, CONFIG, keys)
        asked = self.trainer.knows((7, "copies"))
        self.trainer._queue.forget(7)
        return asked

    def look(self) -> None:
        self.near.of(self.pool.labelling(CONFIG, False), CONFIG)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    with closing(project.pool):
        yield project


def test_copies_are_equal_after_cleaning_or_near(project: Project) -> None:
    assert project.find() == {"contents": 5, "encoded": 0, "copies": 2}, "no encoder yet"
    assert project.groups() == [0, 0, ALONE, ALONE, ALONE]
    add_encoder(project.store, 0)
    assert project.find() == {"contents": 5, "encoded": 5, "copies": 3}
    assert project.groups() == [0, 0, 0, ALONE, ALONE]
    found = load_copies(project.folder)
    assert found is not None
    assert set(found.leaders.tolist()) == {content_key(TEXTS[0])}, "the first task leads"


def test_a_tuned_encoder_finds_no_near_ones_and_those_before_stay(project: Project) -> None:
    """To an encoder that has learnt the labels, all that has one label may be near."""
    add_encoder(project.store, 0)
    add_encoder(project.store, 1, HERE)
    assert project.find(1)["copies"] == 2
    project.find(0)
    assert project.find(1) == {"contents": 5, "encoded": 0, "copies": 3}
    assert project.find(5)["copies"] == 3, "an encoder that is gone"


def test_the_same_text_twice_needs_no_search(project: Project) -> None:
    project.pool.update(tasks("So?", "So?", first=20), CONFIG)
    assert project.groups() == [ALONE, ALONE, ALONE, ALONE, 0, 0, 0]


def test_when_the_trainer_looks_again(project: Project) -> None:
    add_encoder(project.store, 0)
    add_encoder(project.store, 1, HERE)
    assert project.is_asked()
    project.found_in(0.0)
    assert not project.is_asked()
    assert not project.is_asked(1), "a tuned encoder compares nothing"
    project.pool.update(tasks("Something new", first=30), CONFIG)
    assert project.is_asked(1)
    project.found_in(0.0)
    project.pool.update(tasks("Another text in its place", first=30), CONFIG)
    assert project.is_asked(1), "as many contents, but not the same ones"
    project.found_in(3600.0 / REST)
    project.pool.update(tasks("Newer still", first=31), CONFIG)
    assert not project.is_asked(), "for an hour it rests"
    project.found_in(0.0)
    project.pool.update(tasks("The newest", first=32), CONFIG)
    assert project.is_asked()


def test_an_order_is_due_when_copies_were_found(project: Project) -> None:
    project.look()
    before = project.pool.revision()
    project.look()
    assert project.pool.revision() == before
    project.find()
    project.look()
    assert project.pool.revision() == before + 1
    project.find()
    project.look()
    assert project.pool.revision() == before + 1, "the same were found"


def test_the_request_is_read_as_it_was_written(project: Project) -> None:
    request = project.job(3)
    assert request_of(request_line(4, request)) == (4, request)


COPIES = Copies(np.array([2, 3, 4, 5]), np.array([2, 2, 4, 4]))
GROUPING = Grouping(np.arange(10, 18), np.array([1, 2, 3, 4, 5, 6, 6, 7]), COPIES)


def test_what_people_said_of_copies() -> None:
    assert GROUPING.groups.tolist() == [ALONE, 1, 1, 2, 2, 3, 3, ALONE]
    assert (GROUPING.tasks, GROUPING.count) == (6, 3)
    assert [(one.tasks, one.size) for one in GROUPING.largest] == [
        *(((11, 12), 2), ((13, 14), 2), ((15, 16), 2))
    ]
    said = copied_of(GROUPING, {10: ("Yes",), 12: ("No",), 13: ("Yes",), 14: ("No",), 15: ("Yes",)})
    assert said.proposals == {2: Proposal(12, ("No",)), 6: Proposal(15, ("Yes",))}
    assert said.disagreeing == ((13, 14),)
    assert said.proposed.tolist() == [False, True, True, False, False, True, True, False]
    assert said.of_tasks(np.array([10, 11, 13, 16])) == {
        11: Proposal(12, ("No",)),
        16: Proposal(15, ("Yes",)),
    }
    assert said.of_keys(np.array([3, 6, 1, 99])) == [
        *(Proposal(12, ("No",)), Proposal(15, ("Yes",)), None, None)
    ]


def test_copies_count_where_that_is_wanted(project: Project) -> None:
    project.find()
    answer = {"from_name": "label", "to_name": "text", "type": "choices"}
    result = [{**answer, "value": {"choices": ["Yes"]}}]
    annotation = {"id": 1, "result": result, "was_cancelled": False, "completed_by": 1}
    labelled = {**tasks(TEXTS[0])[0], "annotations": [annotation]}
    project.pool.update([labelled], CONFIG)
    labelling = project.pool.labelling(CONFIG, False)
    copied = copied_in(project.folder, labelling)
    proposed = labelling.with_copies(copied, count=False)
    assert (proposed.open_tasks, proposed.counted.tolist()) == (4, [])
    counted = labelling.with_copies(copied, count=True)
    assert (counted.open_tasks, counted.counted.tolist()) == (3, [12])
    assert counted.answers == labelling.answers, "nothing is learnt from it"
    asked_for = replace(labelling, picked=np.array([12])).with_copies(copied, count=True)
    assert (asked_for.open_tasks, asked_for.counted.tolist()) == (4, [])


def test_an_answer_as_a_pre_annotation() -> None:
    xml = (
        '<View><Text name="t" value="$text"/><Choices name="a" toName="t"><Choice value="x"/>'
        '<Choice value="y"/></Choices><Taxonomy name="b" toName="t"><Choice value="p">'
        '<Choice value="q"/></Choice><Choice value="r"/></Taxonomy></View>'
    )
    config = parse(xml)
    found = results_of_answer(("a: y", "b: p", "b: p / q"), config)
    assert [(one["from_name"], one["value"], one["score"]) for one in found] == [
        ("a", {"choices": ["y"]}, 1.0),
        ("b", {"taxonomy": [["p", "q"]]}, 1.0),
    ]
    assert results_of_answer((), config) == []


PAIRS = """<View><Pairwise name="p" toName="a,b"/>
<Text name="a" value="$one"/><Text name="b" value="$two"/></View>"""


def test_pairs_are_copies_only_where_both_texts_are(tmp_path: Path) -> None:
    """Of two things that are alike the difference is next to nothing, whatever they are."""
    config, store = parse(PAIRS), Store(tmp_path)
    shown = [("A cat.", "a dog"), ("a cat", "A dog!"), ("a dog", "a cat"), ("x", "x"), ("y", "y")]
    rows: list[Json] = [
        {"id": 11 + place, "data": {"one": one, "two": two}, "annotations": []}
        for place, (one, two) in enumerate(shown)
    ]
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        pool.update(rows, config)
        ids, keys = pool.keys(config, 0)
        spec = EncoderSpec(config.layout, "none", "", 8)
        with store.new_encoder(0) as aside:
            write_encoder_meta(aside, EncoderMeta("none", "none", 8, 3, layout=config.layout))
        store.vectors(0).append(keys, np.zeros((5, 3), np.float32))
        store.mark_ready(0)
        job = FindCopies(subject_of(tmp_path, PAIRS, spec, Settings()), 0)
        assert find_copies(job, IGNORE) == {"contents": 5, "encoded": 0, "copies": 2}
        labelling = pool.labelling(config, False)
        groups = copied_in(tmp_path, labelling).grouping.groups
    assert ids[groups != ALONE].tolist() == [11, 12]
