"""The trainer's jobs, called as the process calls them."""

import time
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.interface.parse import EXAMPLE, parse
from backend.media.access import access_of
from backend.media.contents import RETRY_SECONDS
from backend.mirror.pool import Pool
from backend.project.encoder_spec import ignored_by
from backend.project.name_vectors import name_vectors, rows_of
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer import embed
from backend.trainer.embed import NOT_A_NUMBER, embed_pool
from backend.trainer.encoders import add_base_encoder
from backend.trainer.messages import AddBase, Embed, Review, Subject, Tune
from backend.trainer.review import review_labels
from backend.trainer.tune import tune_encoder
from backend.types import Json
from model.choosing.audit import in_reserve
from model.encoders.joint import Example, JointEncoder
from model.encoders.text import BUNDLED, TextEncoder
from model.storage.damage import Damaged
from model.storage.store import Store
from model.types import EncoderSpec, Floats, Ints
from tests.backend.web import Answer, Web
from tests.model.test_clips import write_clip
from tests.model.test_image_encoder import res_net


def subject_of(folder: Path, xml: str, spec: EncoderSpec, settings: Settings) -> Subject:
    access = access_of(Connection("http://127.0.0.1:9", "t"), settings)
    return Subject(folder, xml, ignored_by(settings), spec, access, seed=0)


class Heard:
    """What a job told of its progress."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def advanced(self, share: float) -> None:
        self.shares.append(share)

    def working(self) -> None:
        pass


IGNORE = Heard()


def hundred_texts(folder: Path) -> Embed:
    """A project of a hundred texts, the last ten skipped, and the request to encode it."""
    skipped = [{"id": 1, "result": [], "was_cancelled": True}]
    with closing(Pool(folder / "pool.sqlite")) as pool:
        rows = [
            {"id": n, "data": {"text": f"Text {n}"}, "annotations": skipped if n >= 90 else []}
            for n in range(100)
        ]
        pool.update(rows, parse(EXAMPLE))
    subject = subject_of(folder, EXAMPLE, EncoderSpec(("text",), BUNDLED, "", 8), Settings())
    add_base_encoder(AddBase(subject), IGNORE)
    return Embed(subject, encoder=0, label_names=True)


def test_an_encoder_is_ready_with_a_part_of_a_very_large_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To encode millions takes hours; the labelled ones, which heads learn from, come first."""
    monkeypatch.setattr(embed, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(embed, "SCORED_ROWS", 60)
    job, store = hundred_texts(tmp_path), Store(tmp_path)
    assert embed_pool(job, IGNORE)["left"] == 36
    assert store.is_ready(0)
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        ids, keys = pool.keys(parse(EXAMPLE), 0)
        encoded = ids[store.vectors(0).rows(keys) >= 0]
        assert set(pool.annotated().tolist()) == set(range(90, 100)) <= set(encoded.tolist())
    assert not np.array_equal(np.sort(encoded)[:54], np.arange(54)), "a fair sample of the rest"
    share = in_reserve(encoded, 0.5, job.subject.seed).mean()
    assert 0.3 < share < 0.7, "not the audit tasks first, which nothing learns from"


def test_encoding_lets_other_projects_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time it stops and says what is left; the encoder is ready when nothing is."""
    job = hundred_texts(tmp_path)
    store, heard = Store(tmp_path), Heard()
    monkeypatch.setattr(embed, "TURN_SECONDS", 0.0)

    assert embed_pool(job, heard) == {"encoder": 0, "tasks": 64, "left": 36}
    assert not store.is_ready(0)
    assert embed_pool(job, heard) == {"encoder": 0, "tasks": 36, "left": 0}
    assert store.is_ready(0)
    assert heard.shares == [0.64, 1.0], "the share of the pool, not of the turn"


def test_where_encoding_is_slow_vectors_come_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second 32 clips of a pool took so long that people had labelled the first 16."""
    monkeypatch.setattr(embed, "CHUNK_SECONDS", 0.0)
    heard = Heard()
    embed_pool(hundred_texts(tmp_path), heard)
    assert heard.shares == [0.64, 0.96, 1.0]


def test_what_labels_are_called_is_encoded_before_all_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first order, made from a part of the pool, is to know of it. A name is no task: it is
    not among those that are counted, and a new one is encoded when all tasks are."""
    monkeypatch.setattr(embed, "TURN_SECONDS", 0.0)
    job, store, nothing = hundred_texts(tmp_path), Store(tmp_path), {"encoder": 0, "tasks": 0}
    off = replace(job, label_names=False)
    assert embed_pool(off, IGNORE) == {"encoder": 0, "tasks": 64, "left": 36}
    assert rows_of(store, 0, parse(EXAMPLE)) == {}
    assert embed_pool(job, IGNORE) == {"encoder": 0, "tasks": 36, "left": 0}
    vectors = name_vectors(store, 0, parse(EXAMPLE))
    assert vectors is not None
    expected = TextEncoder(BUNDLED, 8).encode(["yes", "no"])
    np.testing.assert_allclose(vectors, expected, atol=1e-3)

    more = EXAMPLE.replace('<Choice value="No"/>', '<Choice value="No"/><Choice value="Not-sure"/>')
    again = embed_pool(replace(job, subject=replace(job.subject, interface=more)), IGNORE)
    assert again == {**nothing, "left": 0}
    assert [*rows_of(store, 0, parse(more))] == ["Yes", "No", "Not-sure"]


def test_a_task_that_cannot_be_read_never_stops_the_others(tmp_path: Path) -> None:
    """A reference with half a character made a library fail, and with it the whole project."""
    xml = EXAMPLE.replace("<Text", "<Image").replace("$text", "$image")
    config, folder = parse(xml), res_net(tmp_path / "encoder")
    picture = BytesIO()
    Image.new("RGB", (32, 32), "red").save(picture, "PNG")
    good = "data:image/png;base64," + b64encode(picture.getvalue()).decode()
    shown = [good, "http://a..b/half \ud83d", "ftp://nowhere/x.png", "/data/\ud83d.png"]
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        rows = [{"id": n, "data": {"image": at}, "annotations": []} for n, at in enumerate(shown)]
        pool.update(rows, config)
        settings = Settings(model_dir=tmp_path, media_hosts="*.b")
        spec = EncoderSpec(("image",), "", str(folder), 8)
        job = Embed(subject_of(tmp_path, xml, spec, settings), encoder=0, label_names=True)
        add_base_encoder(AddBase(job.subject), IGNORE)
        assert embed_pool(job, IGNORE)["left"] == 0
        count, reasons = pool.unreadable(9)
        assert (count, set(reasons)) == (3, {1, 2, 3})
        assert len(pool.keys(config, 0)[0]) == 1
        pool.rekey(config)
        assert len(pool.keys(config, 0)[0]) == 4, (
            "under another interface everything is tried again"
        )


def computing_no_number_for(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """The encoder overflows on these texts, as one in half precision does."""
    whole = JointEncoder.encode

    def encode(encoder: JointEncoder, examples: Sequence[Example]) -> Floats:
        found = whole(encoder, examples)
        found[[example[0] in texts for example in examples]] = np.nan
        return found

    monkeypatch.setattr(JointEncoder, "encode", encode)


def test_a_vector_that_is_no_number_costs_only_its_own_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job failed, the next one began with the same batch, and nothing behind that task ever got
    a vector. A label's name of this kind counts as one that says nothing."""
    job, store = hundred_texts(tmp_path), Store(tmp_path)
    computing_no_number_for(monkeypatch, "Text 3", "Text 95", "yes")
    assert embed_pool(job, IGNORE) == {"encoder": 0, "tasks": 100, "left": 0}
    assert store.is_ready(0)
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        assert pool.unreadable(9) == (2, {3: NOT_A_NUMBER, 95: NOT_A_NUMBER})
        _, keys = pool.keys(parse(EXAMPLE), 0)
    assert len(keys) == 98
    assert (store.vectors(0).rows(keys) >= 0).all()
    assert embed_pool(job, IGNORE) == {"encoder": 0, "tasks": 0, "left": 0}
    assert [*rows_of(store, 0, parse(EXAMPLE))] == ["Yes", "No"], "no name is asked for again"
    vectors = name_vectors(store, 0, parse(EXAMPLE))
    assert vectors is not None
    assert vectors.any(axis=1).tolist() == [False, True]


def test_an_encoder_that_computes_no_number_at_all_is_said_to_be_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No task is to blame, and none is set aside."""
    job = hundred_texts(tmp_path)
    computing_no_number_for(monkeypatch, "yes", "no", *(f"Text {n}" for n in range(100)))
    for is_named in (True, False):
        with pytest.raises(Damaged, match="its weights are damaged"):
            embed_pool(replace(job, label_names=is_named), IGNORE)
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        assert pool.unreadable(9) == (0, {})


def test_a_batch_without_any_number_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may be at fault, for the encoder has computed others. Meanwhile they stand in
    nobody's way."""
    job, store, config = hundred_texts(tmp_path), Store(tmp_path), parse(EXAMPLE)
    embed_pool(job, IGNORE)
    new: list[Json] = [
        {"id": n, "data": {"text": f"New {n}"}, "annotations": []} for n in (200, 201)
    ]
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        pool.update(new, config)
        with monkeypatch.context() as patch:
            computing_no_number_for(patch, "New 200", "New 201")
            assert embed_pool(job, IGNORE) == {"encoder": 0, "tasks": 2, "left": 0}
        assert pool.unreadable(9)[0] == 2
        pool.retry_unreadable(time.time() + RETRY_SECONDS)
        assert pool.unreadable(9)[0] == 0
        assert embed_pool(job, IGNORE) == {"encoder": 0, "tasks": 2, "left": 0}
        assert (store.vectors(0).rows(pool.keys(config, 0)[1]) >= 0).all()


@pytest.mark.parametrize("title", ["", '<Text name="title" value="$title"/>'], ids=["", "title"])
@pytest.mark.slow
def test_a_deep_round_over_clips_learns_from_their_frames(
    tmp_path: Path, web: Web, title: str
) -> None:
    """Its vectors are longer than the base encoder's, and the whole pool gets them. Beside a title
    each deep round read every clip again, and learnt nothing from it."""
    xml = EXAMPLE.replace("<Text", f"{title}<Video").replace("$text", "$clip")
    config, encoder = parse(xml), res_net(tmp_path / "encoder")
    text = BUNDLED if title else ""
    labels, tasks = config.labels, []
    for number in range(6):
        clip = write_clip(tmp_path / f"{number}.avi", 1.0 + number)
        web.answers[f"/{number}.avi"] = Answer(clip.read_bytes())
        answer = {"choices": [labels[number % 2]]}
        region = {"from_name": "label", "to_name": "text", "type": "choices", "value": answer}
        annotations = [{"id": number, "result": [region], "was_cancelled": False}]
        data = {"clip": f"{web.url}/{number}.avi", "title": f"Number {number}"}
        tasks.append({"id": number, "data": data, "annotations": annotations})
    settings = Settings(model_dir=tmp_path, media_hosts=web.host)
    spec = EncoderSpec(config.layout, text, str(encoder), 8)
    subject = subject_of(tmp_path, xml, spec, settings)
    job = Embed(subject, encoder=0, label_names=True)
    tune = Tune(
        subject, labels=6, asked="what", audit_share=0.0, empty_is_none=True, label_names=True
    )
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        pool.update(tasks, config)
    add_base_encoder(AddBase(subject), IGNORE)
    assert embed_pool(job, IGNORE)["left"] == 0
    read = len(web.seen)
    facts = tune_encoder(tune, IGNORE)
    assert (facts["encoder"], facts["labels"], "steps" in facts) == (1, 6, bool(title))
    assert embed_pool(replace(job, encoder=1), IGNORE)["left"] == 0
    review_labels(Review(subject, encoder=1, empty_is_none=True), IGNORE)
    assert len(web.seen) == read, "no clip is fetched a second time"
    store = Store(tmp_path)
    plain, tuned = (store.encoders()[number].dimension for number in (0, 1))
    assert tuned == plain + 2, "a number for each label"
    keys = pool_keys(tmp_path, xml)
    vectors = store.vectors(1)
    assert vectors.take(vectors.rows(keys)).shape == (6, tuned)


def pool_keys(folder: Path, xml: str) -> Ints:
    with closing(Pool(folder / "pool.sqlite")) as pool:
        return pool.keys(parse(xml), 0)[1]
