"""Items that arrive at a dataset: what is added, what is kept for people, and what becomes of many
small parts."""

import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.commands.pool import removed
from backend.dataset import arriving, merging
from backend.dataset.adding import add, take_in
from backend.dataset.arriving import checked, keep_sent, refusal_of, sent_files, sent_to
from backend.dataset.merging import merge_small
from backend.dataset.record import Record, read_record, rows_of, vectors_of, write_record
from backend.dataset.shortlist import ShortlistItem
from backend.dataset.stream import DAY, HOUR, Stream, begun, read_stream, write_stream
from backend.dataset.whole import Items
from backend.errors import BackendError, TooManySent
from backend.interface.parse import EXAMPLE
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.settings import Settings
from backend.trainer.arrivals import select_arrivals, take_in_items
from backend.trainer.encoders import add_base_encoder
from backend.trainer.items import encode_items
from backend.trainer.messages import AddBase, EncodeItems, SelectArrivals, Subject, TakeIn
from model.dataset.parts import RowParts, VectorParts
from model.dataset.whole import has_vector
from model.storage.store import EncoderMeta, Store, write_encoder_meta
from model.types import EncoderSpec
from tests.backend.test_dataset import CONFIG, lines, project, texts
from tests.backend.test_trainer import IGNORE, subject_of

__all__ = ["project"]

NOW = 1000 * HOUR


def record_in(project: Path) -> Record:
    record = read_record(project)
    assert record is not None
    return record


def ids_in(project: Path) -> list[str]:
    rows = RowParts(rows_of(project))
    return [item.id for number in record_in(project).numbers for item in rows.items(number)]


def test_what_was_sent_is_added_once_also_if_a_kill_came_before_it_was_forgotten(
    project: Path,
) -> None:
    keep_sent(project, [*texts(range(3)), {"id": "1", "text": "the same id again"}])
    copy = {path: path.read_text() for path in sent_files(project)}
    found = take_in(project, CONFIG)
    assert (found.new, found.known, found.refused) == (3, 1, ())
    assert not list(arriving.arriving_of(project).iterdir())
    assert (record_in(project).address, sent_files(project)) == (sent_to(project), [])
    for path, text in copy.items():
        path.write_text(text)
    assert take_in(project, CONFIG).new == 0
    keep_sent(project, texts(range(2, 5)))
    assert take_in(project, CONFIG).new == 2
    assert ids_in(project) == ["0", "1", "2", "3", "4"]
    assert (record_in(project).items, record_in(project).parts) == (5, 2)


def test_a_watched_address_is_read_as_far_as_it_is_new_and_whole(
    project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "texts"
    lines(folder / "a.jsonl", texts(range(3)))
    record = add(project, str(folder), "id", CONFIG).record
    lines(folder / "b.jsonl", texts(range(3, 5)))
    assert take_in(project, CONFIG).new == 0, "nobody has asked to watch it"
    write_record(project, replace(record, watched=True))
    assert take_in(project, CONFIG).new == 2
    assert take_in(project, CONFIG).known == 0, "files that were read are not read again"

    (folder / "c.jsonl").write_text('{"id": 5, "text": "a"}\n{"id": 6, "te')
    lines(folder / "d.jsonl", [{"id": 7, "text": "b"}, {"id": 8, "text": ""}])
    found = take_in(project, CONFIG)
    assert found.new == 2
    unread, blank = found.refused
    assert "Line 2 of" in unread and "c.jsonl" in unread
    assert blank.startswith("1 row is left out because it shows nothing, such as '8'")
    lines(folder / "c.jsonl", texts(range(5, 7)))
    assert take_in(project, CONFIG).new == 1, "a file that has changed is read again"
    (folder / "d.jsonl").rename(tmp_path / "elsewhere")
    folder.rename(tmp_path / "gone")
    assert "There is no file or folder" in take_in(project, CONFIG).refused[0]
    assert ids_in(project) == ["0", "1", "2", "3", "4", "5", "7", "6"]


def test_what_stands_nowhere_else_is_not_taken_away_without_a_word(
    project: Path, tmp_path: Path
) -> None:
    keep_sent(project, texts(range(3)))
    take_in(project, CONFIG)
    record = add(project, str(lines(tmp_path / "a.jsonl", texts(range(2, 6)))), "id", CONFIG).record
    assert (record.items, record.sent, record.address) == (6, 3, str(tmp_path / "a.jsonl"))
    with pytest.raises(BackendError, match="stand nowhere else"):
        removed(project)
    assert read_record(project) == record
    (project / "dataset" / "dataset.json").write_text("{")
    with pytest.raises(BackendError, match="nobody knows whether items were sent"):
        removed(project)
    assert removed(project, is_forced=True).startswith("The project has no dataset any more")


REFUSED: dict[str, tuple[object, str]] = {
    "no object": ([1], "It is no JSON object"),
    "another column": ({"name": "x", "text": "a"}, "It has no 'id'.*; it has name, text"),
    "no id": ({"id": [], "text": "a"}, r"Its 'id' must be a text or a whole number, not \[\]"),
    "nothing shown": ({"id": "x", "body": "a"}, r"shows \$text, and it has id, body"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_why_a_row_that_is_sent_can_be_no_item(name: str) -> None:
    row, sentence = REFUSED[name]
    assert re.search(sentence, refusal_of(row, "id", CONFIG))
    assert refusal_of({"id": 3, "text": "a"}, "id", CONFIG) == ""


def test_a_bad_row_costs_no_other_row_and_is_kept(project: Path, tmp_path: Path) -> None:
    """Rows are checked when they come; what is checked may change before they are added."""
    keep_sent(project, [{"id": "a", "text": "x"}, {"id": "", "text": "x"}, {"id": "b", "text": ""}])
    found = take_in(project, CONFIG)
    assert (found.new, ids_in(project)) == (1, ["a"])
    assert "has no id" in found.refused[0] and "show" in found.refused[1]
    (kept,) = arriving.arriving_of(project).iterdir()
    assert kept.suffix == ".refused" and str(kept) in found.refused[2]
    assert len(kept.read_text().splitlines()) == 3

    folder = tmp_path / "texts"
    lines(folder / "a.jsonl", texts(range(1)))
    record = add(project, str(folder), "id", CONFIG).record
    write_record(project, replace(record, watched=True))
    (folder / "b.jsonl").write_text('{"id": 8, "text": ' + "[" * 5000)
    (folder / "c.csv").write_text("id,text\n9," + "long " * 40_000)
    (folder / "d.csv").write_text('id,text\n10,"' + "x" * (1 << 25))
    found = take_in(project, CONFIG)
    assert (found.new, ids_in(project)) == (1, ["a", "0", "9"])
    assert len(found.refused) == found.refusals == 2
    lines(folder / "e.jsonl", 30 * [{"text": "without an id"}])
    found = take_in(project, CONFIG)
    assert (len(found.refused), found.refusals) == (20, 30), "the first are said, all are counted"


def test_what_is_sent_is_checked_as_it_will_be_kept() -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [deep]
    rows = [{"id": "\0", "text": "a"}, {"id": 2, "text": float("nan")}, {"id": 3, "text": deep}]
    accepted, refused = checked([*rows, {"id": "4", "text": "a\0"}], "id", CONFIG)
    assert accepted == [{"id": "4", "text": "a"}]
    assert [place for place, _ in refused] == [0, 1, 2]


def test_no_more_is_kept_than_can_be_added(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MOST_FILES", 1)
    keep_sent(project, texts(range(1)))
    with pytest.raises(TooManySent, match="this one was not kept"):
        keep_sent(project, texts(range(1, 2)))


def with_encoder(project: Path, parts: list[int]) -> VectorParts:
    """An encoder, whose vector of an item is its number, of these parts of the dataset."""
    store = Store(project)
    with store.new_encoder(0) as aside:
        write_encoder_meta(aside, EncoderMeta("all-MiniLM-L6-v2", "all-MiniLM-L6-v2", 16, 1))
    vectors, rows = VectorParts(vectors_of(project, 0), 1), RowParts(rows_of(project))
    for number in parts:
        values = [float(item.id) for item in rows.items(number)]
        is_odd = [value % 2 for value in values]
        vectors.write(
            number,
            np.array(
                [[np.nan if odd else value] for value, odd in zip(values, is_odd, strict=True)]
            ),
            ["it is odd" if odd else None for odd in is_odd],
        )
    return vectors


def test_small_parts_become_one_with_their_vectors(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MOST_SMALL", 3)
    for start in range(0, 8, 2):
        keep_sent(project, texts(range(start, start + 2)))
        take_in(project, CONFIG)
    vectors = with_encoder(project, [0, 1, 2, 3])
    assert merge_small(project, size=6, judged=3) is None, "the last one is not judged"
    merged = merge_small(project, size=6, judged=4)
    assert merged is not None
    assert (merged.numbers, merged.part_count, merged.gaps) == ([3, 4], 2, ((0, 3),))
    assert merged.last_merged == 4, "it is not judged again"
    assert merged == record_in(project)
    assert merge_small(project, size=6) is None, "two are not many"
    assert ids_in(project) == ["6", "7", "0", "1", "2", "3", "4", "5"]
    read = vectors.read(4)
    assert read is not None
    assert np.nan_to_num(read).ravel().tolist() == [0, 0, 2, 0, 4, 0]
    assert vectors.reasons(4) == [None, "it is odd"] * 3
    items = Items.of(Store(project), merged)
    assert [one.id for one in items.rows.gathered(*items.numbering.where(np.arange(8)))] == ids_in(
        project
    )
    is_encoded, found = has_vector(vectors, items.numbering)
    assert is_encoded.all() and found.tolist() == [True, False] * 4

    for start in range(8, 14, 2):
        keep_sent(project, texts(range(start, start + 2)))
        take_in(project, CONFIG)
    monkeypatch.setattr(merging, "READ_SECONDS", 0.0)
    again = merge_small(project, size=20)
    assert again is not None
    assert (again.numbers, again.gaps) == ([8], ((0, 8),))
    assert RowParts(rows_of(project)).numbers() == [3, 4, 5, 6, 7, 8], "and those before are gone"
    assert vectors.read(8) is None, "not all of them were encoded"
    assert sorted(map(int, ids_in(project))) == list(range(14))


def test_the_rate_is_that_of_a_days_labels_to_a_days_items() -> None:
    stream = begun(NOW, 3, labels_a_day=48)
    assert (stream.judged, stream.budget) == (3, 2.0)
    assert stream.rate(NOW, 10, 48) == pytest.approx(2 / 10), "an hour's labels of an hour's items"
    later = stream.accrued(NOW + DAY / 2, 48)
    assert later.budget == 26.0
    assert stream.accrued(NOW + 9 * DAY, 48).budget == 48.0, "a day's labels at most"
    items = [ShortlistItem("a", {}), ShortlistItem("b", {})]
    judged = later.with_part(NOW + DAY / 2, 5, 40, items)
    assert (judged.judged, judged.budget, judged.kept) == (6, 24.0, tuple(items))
    # 24 labels for 40 + 80 items in half a day.
    assert judged.rate(NOW + DAY / 2, 80, 48) == pytest.approx(24 / 120)
    assert judged.in_a_day(NOW + DAY) == (40, 2)
    assert judged.in_a_day(NOW + 2 * DAY) == (0, 0)
    assert Stream(NOW, NOW, 0, budget=0.0).rate(NOW + 2 * DAY, 10, 48) == 0.0


def test_a_flood_of_items_is_no_usual_day() -> None:
    stream = begun(NOW, 0, 48)
    for day in range(1, 5):
        now = NOW + day * DAY - HOUR
        stream = stream.accrued(now, 48).with_part(now, day, 480, [])
    flood = NOW + 4 * DAY
    assert stream.accrued(flood, 48).budget == 48.0
    stream = stream.accrued(flood, 48)
    assert stream.rate(flood, 96_000, 48) == pytest.approx(48 / 96_000), "no more than the budget"
    after = replace(stream.with_part(flood, 9, 96_000, []), budget=48.0)
    assert after.rate(flood + DAY, 480, 48) == pytest.approx(0.1), "as before it"


def test_a_clock_that_goes_back_changes_nothing_for_long() -> None:
    stream = begun(NOW, 0, 48).accrued(NOW + 365 * DAY, 48).accrued(NOW + HOUR, 48)
    assert stream.budget == 48.0
    assert stream.accrued(NOW + HOUR + DAY / 2, 48).seen_at == NOW + HOUR + DAY / 2


def test_a_stream_that_cannot_be_read_begins_again(project: Path) -> None:
    stream = begun(NOW, 3, 48).with_part(NOW, 3, 7, [ShortlistItem("a", {"id": "a"})])
    write_stream(project, stream)
    assert read_stream(project) == stream
    (project / "dataset" / "stream.json").write_text('{"since": 1}')
    assert read_stream(project) is None


@pytest.fixture
def subject(project: Path, one_layer: Path) -> Subject:
    spec = EncoderSpec(("text",), str(one_layer), "", 32)
    subject = subject_of(project, EXAMPLE, spec, Settings())
    add_base_encoder(AddBase(subject), IGNORE)
    return subject


def test_what_arrives_is_judged_once_it_is_encoded_and_what_was_there_is_not(
    subject: Subject, project: Path
) -> None:
    def select() -> dict[str, Any]:
        job = SelectArrivals(subject, 0, "", "margin", 0.1, guard=True, empty_is_none=False)
        return select_arrivals(job, IGNORE)

    keep_sent(project, texts(range(5)))
    assert take_in_items(TakeIn(subject), IGNORE) == {"new": 5, "known": 0, "refused": 0}
    write_record(project, replace(record_in(project), labels_a_day=24 * 40))
    assert select()["judged"] == 0
    keep_sent(project, texts(range(5, 205)))
    take_in_items(TakeIn(subject), IGNORE)
    assert select()["judged"] == 0, "it is not encoded yet"
    while encode_items(EncodeItems(subject, 0), IGNORE)["left"]:
        pass
    facts = select()
    stream = read_stream(project)
    assert stream is not None
    assert (facts["judged"], stream.judged) == (200, 2)
    assert 20 <= len(stream.kept) <= 60, "40 of 200 have room in an hour"
    assert select()["waiting"] == len(stream.kept), "nothing is judged twice"

    with closing(Pool(project / MIRROR)) as pool:
        first = stream.kept[0]
        task = {"id": 1, "data": first.data, "meta": {"dataset_id": first.id}, "annotations": []}
        pool.items.put(task)
    assert select()["waiting"] == len(stream.kept) - 1, "what is a task waits no longer"
