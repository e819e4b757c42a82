"""The map of a project's pool: drawn by the trainer, and when it is asked for."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import JobFailed
from backend.interface.parse import EXAMPLE, parse
from backend.mirror.pool import Pool
from backend.project.context import context_of
from backend.project.loop import ProjectLoop
from backend.project.map_drawing import LOOKED_AT, LOOKED_SECONDS, MapDrawing
from backend.project.training import Training
from backend.settings import Settings
from backend.trainer import draw
from backend.trainer.draw import draw_map
from backend.trainer.messages import Draw, kind_of, request_line, request_of
from backend.trainer.process import TrainerProcess
from backend.trainer.worker import SELDOM
from backend.types import Json
from backend.web.pages.state import DOING
from model.mapping.layout import NEIGHBOURS
from model.storage.maps import FILE, Map, load_map, save_map
from model.storage.store import EncoderMeta, Store, write_encoder_meta
from model.storage.vectors import content_key
from model.types import EncoderSpec, Floats, Ints
from tests.backend.test_routes import NoWork
from tests.backend.test_trainer import IGNORE, Heard, subject_of
from tests.backend.test_training import NOWHERE

CONFIG = parse(EXAMPLE)
PICTURES = EXAMPLE.replace("<Text", "<Image")
TOPICS = ("match team referee", "market company shares")
SPEC = EncoderSpec(("text",), "none", "", 8)


def text_of(number: int) -> str:
    return f"{TOPICS[number % 2]} {number}"


def keys_of(numbers: range) -> Ints:
    return np.array([content_key(text_of(number)) for number in numbers], np.int64)


def tasks(numbers: range) -> list[Json]:
    return [{"id": n, "data": {"text": text_of(n)}, "annotations": []} for n in numbers]


def vectors_of(numbers: range) -> Floats:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((2, 8))
    noise = 0.3 * rng.standard_normal((1000, 8))
    return np.array([centres[n % 2] + noise[n] for n in numbers], np.float32)


def add_encoder(store: Store, number: int) -> None:
    with store.new_encoder(number) as aside:
        write_encoder_meta(aside, EncoderMeta("none", "none", 8, 8))


class Project:
    """A folder with two topics of texts in turn, all with vectors by encoder 0, and what asks the
    trainer, which is never started, for a map."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.store, self.trainer = Store(folder), TrainerProcess()
        self.pool = Pool(folder / "pool.sqlite")
        add_encoder(self.store, 0)
        self.add(range(count))
        self.store.mark_ready(0)
        loop = ProjectLoop(7, NOWHERE, lambda *_: NoWork(), 60.0)
        context = context_of(loop, NOWHERE, Settings(model_dir=folder), self.trainer)
        training = Training(context, self.store)
        training.see(EXAMPLE, CONFIG)
        self.drawing = MapDrawing(context, self.store, self.pool, training)
        self.look(0.0)

    def add(self, numbers: range, encoder: int = 0) -> None:
        self.pool.update(tasks(numbers), CONFIG)
        self.store.vectors(encoder).append(keys_of(numbers), vectors_of(numbers))

    def look(self, ago: float) -> None:
        """Somebody looked at the map so many seconds ago."""
        self.pool.remember(LOOKED_AT, time.time() - ago)

    def job(self, encoder: int = 0) -> Draw:
        return Draw(subject_of(self.folder, EXAMPLE, SPEC, Settings()), encoder)

    def draw(self) -> Map:
        draw_map(self.job(), IGNORE)
        found = load_map(self.folder)
        assert found is not None
        return found

    def keep(self, numbers: range, encoder: int = 0) -> None:
        """As if a map of these texts had been drawn."""
        identity = self.store.encoders()[encoder].identity
        places = np.zeros((len(numbers), 2), np.float32)
        save_map(self.folder, Map(keys_of(numbers), places, encoder, identity, 1.0, ()))

    def is_asked(self, encoder: int = 0) -> bool:
        """Whether a map is asked for now."""
        self.drawing.request(encoder, CONFIG)
        found = self.trainer.knows((7, "draw"))
        self.trainer._queue.forget(7)
        return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    found = Project(tmp_path, 120)
    with closing(found.pool):
        yield found


def test_a_map_shows_each_task_with_a_vector_and_names_its_regions(project: Project) -> None:
    project.pool.update(tasks(range(900, 903)), CONFIG)  # without vectors
    same = {"id": 500, "data": {"text": text_of(3)}, "annotations": []}
    project.pool.update([same], CONFIG)
    heard = Heard()
    facts = draw_map(project.job(), heard)
    assert facts == {"encoder": 0, "points": 120, "regions": 3}
    assert heard.shares[0] == NEIGHBOURS and heard.shares == sorted(heard.shares)
    found = load_map(project.folder)
    assert found is not None
    assert sorted(found.keys.tolist()) == sorted(keys_of(range(120)).tolist())
    assert (found.encoder, found.identity) == (0, project.store.encoders()[0].identity)
    assert abs(found.created_at - time.time()) < 60.0
    assert sum(region.size for region in found.regions) == 120
    named = {word for region in found.regions for word in region.words}
    assert named == set(" ".join(TOPICS).split())
    assert all(len({word in TOPICS[0] for word in one.words}) == 1 for one in found.regions)


def test_points_stay_where_they_were_when_tasks_come(project: Project) -> None:
    before = project.draw()
    project.add(range(120, 140))
    after = project.draw()
    assert len(after.keys) == 140
    place = {key: row for row, key in enumerate(after.keys.tolist())}
    rows = [place[key] for key in before.keys.tolist()]
    moved = np.linalg.norm(after.positions[rows] - before.positions, axis=1)
    assert np.median(moved) < 0.2 * np.sqrt(before.positions.var(axis=0).sum())


def test_of_a_large_pool_the_same_tasks_are_drawn(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "MOST_POINTS", 30)
    before = project.draw()
    project.add(range(120, 124))
    after = project.draw()
    assert len(before.keys) == len(after.keys) == 30
    assert len(np.intersect1d(before.keys, after.keys)) >= 26


def test_a_pool_without_vectors_has_an_empty_map(tmp_path: Path) -> None:
    project = Project(tmp_path, 0)
    with closing(project.pool):
        assert draw_map(project.job(), IGNORE) == {"encoder": 0, "points": 0, "regions": 0}
        found = load_map(tmp_path)
        assert found is not None and found.positions.shape == (0, 2)
        assert not project.is_asked(), "and nobody asks for one"


def test_regions_of_pictures_have_no_words(tmp_path: Path) -> None:
    add_encoder(Store(tmp_path), 0)
    config = parse(PICTURES)
    rows = [
        {"id": n, "data": {"text": f"http://127.0.0.1/{n}.png"}, "annotations": []}
        for n in range(80)
    ]
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        pool.update(rows, config)
        keys = pool.content_keys()
    Store(tmp_path).vectors(0).append(keys, vectors_of(range(80)))
    subject = subject_of(tmp_path, PICTURES, SPEC, Settings())
    assert draw_map(Draw(subject, 0), IGNORE)["regions"] == 2
    found = load_map(tmp_path)
    assert found is not None and [one.words for one in found.regions] == [(), ()]


def test_a_map_is_asked_for_only_where_somebody_looks_at_it(project: Project) -> None:
    assert project.is_asked()
    project.look(LOOKED_SECONDS - 60.0)
    assert project.is_asked()
    project.look(LOOKED_SECONDS + 60.0)
    assert not project.is_asked()
    project.pool.remember(LOOKED_AT, None)
    assert not project.is_asked()


def test_a_map_is_asked_for_once_an_encoder_is_ready(project: Project) -> None:
    add_encoder(project.store, 1)
    project.add(range(40), encoder=1)
    project.keep(range(120))
    assert not project.is_asked(0)
    assert not project.is_asked(1)
    project.store.mark_ready(1)
    assert project.is_asked(1)
    project.keep(range(40), encoder=1)
    assert not project.is_asked(1)


def test_another_encoder_of_the_same_number_needs_another_map(project: Project) -> None:
    project.keep(range(120))
    found = load_map(project.folder)
    assert found is not None
    save_map(project.folder, replace(found, identity="another"))
    assert project.is_asked()


@pytest.mark.parametrize(("drawn", "is_due"), [(120, False), (101, False), (100, True), (0, True)])
def test_a_map_is_due_when_twenty_tasks_are_new(project: Project, drawn: int, is_due: bool) -> None:
    project.keep(range(drawn))
    assert project.is_asked() is is_due


def test_of_a_larger_pool_a_twentieth_must_be_new(project: Project) -> None:
    project.add(range(120, 600))
    project.keep(range(571))
    assert not project.is_asked()
    project.keep(range(570))
    assert project.is_asked()


def test_a_full_map_is_drawn_again_when_it_lacks_points_it_could_have(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.project.map_drawing.MOST_POINTS", 60)
    project.keep(range(60))
    assert not project.is_asked()
    project.keep(range(41))
    assert not project.is_asked()
    project.keep(range(40))
    assert project.is_asked()


def test_a_full_map_of_tasks_that_are_gone_is_drawn_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.project.map_drawing.MOST_POINTS", 60)
    project.keep(range(200, 260))
    assert project.is_asked()


def test_a_map_of_other_tasks_is_drawn_again_however_few_there_are(tmp_path: Path) -> None:
    """All were replaced, or the labelling interface shows something else of them."""
    project = Project(tmp_path, 3)
    with closing(project.pool):
        project.keep(range(50, 60))
        assert project.is_asked()
        project.keep(range(2))
        assert not project.is_asked()


def test_a_map_is_read_again_only_when_its_file_has_changed(project: Project) -> None:
    """At each submit it is asked whether the map is due."""
    path = project.folder / FILE
    project.keep(range(120))
    assert not project.is_asked()
    written = path.stat()
    path.write_bytes(b"\0" * written.st_size)
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert not project.is_asked()
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns + 1))
    assert project.is_asked()


def test_a_damaged_map_is_set_aside_and_drawn_again(project: Project) -> None:
    (project.folder / FILE).write_bytes(b"half")
    assert project.is_asked()
    (aside,) = project.folder.glob(f"{FILE}*")
    assert aside.name.startswith(f"{FILE}.damaged-")
    assert project.is_asked()
    project.draw()
    assert not project.is_asked()


def test_after_a_failure_a_map_is_not_asked_for_at_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.drawing.request(0, CONFIG)
    job = project.trainer._queue.take()
    assert (job.is_urgent, job.request) == (False, Draw(project.drawing._training.subject(), 0))
    job.on_error(job, JobFailed("no memory"))
    assert not project.is_asked()
    monkeypatch.setattr("backend.project.map_drawing.RETRY_SECONDS", 0.0)
    assert project.is_asked()


def test_texts_with_spans_have_no_map(project: Project) -> None:
    spans = parse(
        '<View><Labels name="e" toName="t"><Label value="Person"/></Labels>'
        '<Text name="t" value="$text"/></View>'
    )
    assert spans.kind == "spans"
    project.drawing.request(0, spans)
    assert not project.trainer.knows((7, "draw"))


def test_people_are_told_that_the_map_is_being_drawn(project: Project) -> None:
    assert request_of(request_line(3, project.job())) == (3, project.job())
    assert DOING[kind_of(project.job())] == "The map of the pool is being drawn"
    assert Draw in SELDOM, "openTSNE is loaded only where there is a map"
