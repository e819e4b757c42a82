"""The trainer's jobs about a dataset, on a real encoder and real files."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from backend.dataset.adding import add
from backend.dataset.broken import read_broken
from backend.dataset.record import folder_of, rows_of, see_reads, vectors_of
from backend.dataset.shortlist import Shortlist, read_shortlist
from backend.errors import BackendError
from backend.interface.content import key_of
from backend.interface.parse import EXAMPLE, parse
from backend.mirror.items import META
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.mirror.review import read as read_review
from backend.settings import Settings
from backend.trainer import items
from backend.trainer.encoders import add_base_encoder
from backend.trainer.item_work import SHOWS_NOTHING
from backend.trainer.items import encode_items, rank_items
from backend.trainer.messages import AddBase, EncodeItems, RankItems, Review, Subject
from backend.trainer.review import review_labels
from backend.types import Json
from model.choosing.audit import in_reserve
from model.dataset.parts import RowParts, VectorParts
from model.encoders.text import TextEncoder
from model.storage.store import Store
from model.storage.vectors import content_key
from model.types import EncoderSpec
from tests.backend.test_dataset import lines
from tests.backend.test_trainer import IGNORE, subject_of

COUNT = 60


@pytest.fixture
def subject(tmp_path: Path, one_layer: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A project with an encoder and a dataset in three parts, two items of which are tasks."""
    monkeypatch.setattr("model.dataset.sizes.PART_ITEMS", COUNT // 3)
    folder = tmp_path / "7"
    folder.mkdir()
    rows = [{"id": f"i{number}", "text": f"Text number {number}"} for number in range(COUNT)]
    add(folder, str(lines(tmp_path / "texts.jsonl", rows)), "id", parse(EXAMPLE))
    with closing(Pool(folder / MIRROR)) as pool:
        tasks: list[Json] = [
            {"id": n, "data": rows[n], "meta": {META: f"i{n}"}, "annotations": []} for n in (1, 2)
        ]
        pool.update(tasks, parse(EXAMPLE))
    made = subject_of(folder, EXAMPLE, EncoderSpec(("text",), str(one_layer), "", 8), Settings())
    add_base_encoder(AddBase(made), IGNORE)
    return made


def ranked(subject: Subject, encoder: int | None, size: int = 20) -> Shortlist:
    job = RankItems(
        *(subject, encoder, "", size),
        strategy="variance",
        audit_share=0.1,
        guard=True,
        empty_is_none=True,
    )
    facts = rank_items(job, IGNORE)
    found = read_shortlist(subject.folder)
    assert found is not None
    assert facts["items"] == len(found.items)
    return found


def test_parts_are_encoded_as_the_encoder_encodes_them(subject: Subject, one_layer: Path) -> None:
    facts = encode_items(EncodeItems(subject, 0), IGNORE)
    assert facts == {"encoder": 0, "parts": 3, "left": 0, "broken": 0}
    found = VectorParts(vectors_of(subject.folder, 0), 384)
    texts = [one.data["text"] for one in RowParts(rows_of(subject.folder)).items(1)]
    expected = TextEncoder(str(one_layer), 8).encode(texts)
    vectors = found.read(1)
    assert vectors is not None
    np.testing.assert_allclose(vectors, expected, atol=2e-3)


def test_encoding_goes_on_with_the_parts_that_are_missing(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "TURN_SECONDS", 0.0)
    job = EncodeItems(subject, 0)
    left: list[int] = []
    while not left or left[-1]:
        left.append(encode_items(job, IGNORE)["left"])
    assert left == [2, 1, 0]


def test_items_that_cannot_be_encoded_are_counted_through_all_turns(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interface has changed: what was a text shows nothing any more. Each turn told the number
    of its own part, and after a restart nobody knew any."""
    monkeypatch.setattr(items, "TURN_SECONDS", 0.0)
    other = Subject(**{**vars(subject), "interface": EXAMPLE.replace("$text", "$body")})
    see_reads(subject.folder, other.config)
    counts = [encode_items(EncodeItems(other, 0), IGNORE)["broken"] for _ in range(3)]
    assert counts == [COUNT // 3, 2 * COUNT // 3, COUNT]
    said = read_broken(subject.folder, 0).sentence
    assert said.startswith(f"{COUNT} items of the dataset cannot be encoded, such as 'i")
    assert SHOWS_NOTHING in said
    see_reads(subject.folder, subject.config)
    assert read_broken(subject.folder, 0).sentence == ""
    encode_items(EncodeItems(subject, 0), IGNORE)
    assert read_broken(subject.folder, 0).counts.popitem()[1] == 0


def test_what_was_made_of_other_columns_is_made_again(subject: Subject) -> None:
    """Vectors of the text went on ranking after the interface showed the title."""
    encode_items(EncodeItems(subject, 0), IGNORE)
    assert not see_reads(subject.folder, subject.config), "nothing has changed"
    assert vectors_of(subject.folder, 0).exists()
    other = Subject(**{**vars(subject), "interface": EXAMPLE.replace("$text", "$id")})
    assert see_reads(subject.folder, other.config)
    assert not vectors_of(subject.folder, 0).exists()
    with pytest.raises(BackendError, match="shows other columns"):
        encode_items(EncodeItems(subject, 0), IGNORE)
    assert encode_items(EncodeItems(other, 0), IGNORE)["left"] == 0


def test_items_to_import_are_no_tasks_yet_and_a_tenth_are_audit_items(subject: Subject) -> None:
    for encoder in (None, 0):
        found = [one.id for one in ranked(subject, encoder).items]
        assert len(set(found)) == 20
        assert not {"i1", "i2"} & set(found)
        tickets = np.array([content_key(one) for one in found])
        assert in_reserve(tickets, 0.1, 0).sum() == 2
        encode_items(EncodeItems(subject, 0), IGNORE)


def test_what_is_imported_need_not_be_encoded_again(subject: Subject) -> None:
    encode_items(EncodeItems(subject, 0), IGNORE)
    found = ranked(subject, 0)
    keys = np.array([key_of((one.data["text"],)) for one in found.items])
    known = Store(subject.folder).vectors(0)
    assert (known.rows(keys) >= 0).all()
    assert known.count() == len(found.items)


def test_a_dataset_that_is_used_up_gives_an_empty_shortlist(subject: Subject) -> None:
    assert len(ranked(subject, None, size=COUNT).items) == COUNT - 2
    with closing(Pool(subject.folder / MIRROR)) as pool:
        for number in range(COUNT):
            pool.items.put({"id": number + 100, "meta": {META: f"i{number}"}})
    assert ranked(subject, None).items == ()


def test_vectors_of_encoders_that_are_gone_are_deleted(subject: Subject) -> None:
    gone = vectors_of(subject.folder, 5)
    gone.mkdir(parents=True)
    encode_items(EncodeItems(subject, 0), IGNORE)
    assert not gone.exists()
    assert vectors_of(subject.folder, 0).exists()


def test_second_opinions_are_compared_with_the_items_that_are_left_too(subject: Subject) -> None:
    """Where few tasks are open, the next annotations were said to be worth more as second opinions,
    although more tasks follow from the dataset."""
    config, (yes, no) = parse(EXAMPLE), parse(EXAMPLE).labels[:2]
    with closing(Pool(subject.folder / MIRROR)) as pool:
        pool.update([labelled(n, (yes, no)[n % 2]) for n in range(100, 130)], config)
    review_labels(Review(subject, 0, True), IGNORE)
    assert read_review(subject.folder)["again"]["tasks"] == []
    folder_of(subject.folder).rename(subject.folder / "gone")
    review_labels(Review(subject, 0, True), IGNORE)
    assert len(read_review(subject.folder)["again"]["tasks"]) == 30


def labelled(number: int, label: str) -> Json:
    value = {"type": "choices", "value": {"choices": [label]}}
    region = {"from_name": "label", "to_name": "text", **value}
    given = {"id": number, "completed_by": 1, "result": [region], "was_cancelled": False}
    data = {"text": f"A {label} text, number {number}"}
    return {"id": number, "data": data, "annotations": [given]}
