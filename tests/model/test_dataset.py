"""A dataset in parts: what is read, what is kept, and which items are chosen."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from model.choosing.audit import draw, in_reserve
from model.choosing.strategies import STRATEGIES
from model.dataset.parts import Item, RowParts, VectorParts
from model.dataset.ranking import Block, Ranking
from model.dataset.source import BadDataset, Source
from model.heads.head import Head, centred, fit_head
from model.learner import fast_round
from model.snapshot import Policy, Snapshot, pool_centre
from model.storage.damage import Damaged
from model.storage.vectors import content_key
from model.types import Floats, Ints

ROWS = [{"id": "007", "text": "a, b"}, {"id": "8", "text": "两行\nof text"}]


def rows_in(path: Path) -> list[dict[str, object]]:
    source = Source(str(path))
    return [row for file in source.files for row in source.rows(file)]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """The rows in the format that the name says."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n\n" for row in rows), "utf-8")
    else:
        comma = "\t" if path.suffix == ".tsv" else ","
        lines = [comma.join(rows[0]), *(comma.join(f'"{x}"' for x in r.values()) for r in rows)]
        path.write_text("\ufeff" + "\n".join(lines), "utf-8")
    return path


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv", "a.tsv"])
def test_each_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    """Ids keep their zeros, and texts their commas and line ends."""
    assert rows_in(write(tmp_path / name, ROWS)) == ROWS


def test_a_folder_is_read_file_by_file_without_what_other_tools_leave(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.parquet", ".hidden.jsonl", "_temporary/c.jsonl", "sub/d.csv"):
        write(tmp_path / name, [{"id": name, "text": "x"}])
    (tmp_path / "notes.txt").write_text("no rows")
    source = Source(str(tmp_path))
    assert [row["id"] for file in source.files for row in source.rows(file)] == [
        *("a.parquet", "b.jsonl", "sub/d.csv")
    ]
    assert [Path(one.path).name for one in source.others] == ["notes.txt"]


def test_columns_of_bytes_are_left_out(tmp_path: Path) -> None:
    table = pa.table({"id": ["1"], "picture": pa.array([b"\xff"], pa.binary())})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert rows_in(tmp_path / "a.parquet") == [{"id": "1"}]


def cut(path: Path) -> None:
    path.write_bytes(write(path, ROWS).read_bytes()[:-9])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.csv": (lambda path: None, "There is no file or folder"),
    "cut.parquet": (cut, "cannot be read"),
    "line.jsonl": (lambda path: path.write_text('{"id": 1}\n[2]'), "Line 2 of .* no JSON object"),
    "ragged.csv": (lambda path: path.write_text("id,text\n1,a,b"), "not as many values"),
    "short.csv": (lambda path: path.write_text("id,text\n1"), "not as many values"),
    "latin.csv": (lambda path: path.write_bytes(b"id,text\n1,caf\xe9"), "not written in UTF-8"),
    "book.xlsx": (lambda path: path.write_bytes(b"PK"), "has no file that can be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dataset_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    break_it, sentence = BROKEN[name]
    break_it(tmp_path / name)
    with pytest.raises(BadDataset, match=sentence):
        rows_in(tmp_path / name)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nothing://here", "cannot be read"),
        ("s3://", "is no address of a bucket"),
        ("s3://news/daily?zone=1", "behind a . may stand region, scheme, endpoint_override"),
        ("s3://me:pass@word@news/daily", "The address of the bucket has credentials in it"),
        ("s3://me:pass/word@news/daily", "The address of the bucket has credentials in it"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(address: str, sentence: str) -> None:
    with pytest.raises(BadDataset, match=sentence) as raised:
        Source(address)
    assert "pass" not in str(raised.value)


def items(count: int, first: int = 0) -> list[Item]:
    return [Item(str(n), content_key(str(n)), {"n": n}) for n in range(first, first + count)]


def test_a_part_is_kept_as_it_was_and_read_in_pieces(tmp_path: Path) -> None:
    rows, some = RowParts(tmp_path), items(1000)
    rows.write(3, some)
    assert rows.numbers() == [3]
    assert rows.items(3) == some
    assert rows.tickets(3).tolist() == [one.ticket for one in some]
    places = np.array([999, 0, 256, 255, 0])
    assert rows.take(3, places) == [some[place] for place in places]
    rows.delete(3)
    assert rows.numbers() == []


def test_vectors_keep_their_reasons(tmp_path: Path) -> None:
    parts, vectors = VectorParts(tmp_path, 2), np.array([[0.5, 1.0], [np.nan, np.nan]], np.float16)
    parts.write(7, vectors, [None, "it is broken"])
    assert parts.numbers() == [7]
    np.testing.assert_array_equal(parts.read(7), vectors)
    reasons = parquet.read_table(tmp_path / "00007.parquet")["reason"].to_pylist()
    assert reasons == [None, "it is broken"]


def test_damaged_parts_are_named_or_made_again(tmp_path: Path) -> None:
    """Vectors can be computed again; what the items show has to be read again by people."""
    rows, vectors = RowParts(tmp_path / "rows"), VectorParts(tmp_path / "vectors", 2)
    rows.write(0, items(3))
    vectors.write(0, np.zeros((3, 2)), [None] * 3)
    for path in tmp_path.glob("*/00000.parquet"):
        path.write_bytes(path.read_bytes()[:-20])
    assert vectors.read(0) is None
    assert vectors.numbers() == []
    for read in (rows.tickets, rows.items, lambda number: rows.take(number, np.array([1]))):
        with pytest.raises(Damaged, match="pool remove, then add"):
            read(0)


def test_a_part_that_cannot_be_written_is_absent(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        VectorParts(tmp_path, 2).write(0, np.zeros((2, 3)), [None])
    assert [path.name for path in tmp_path.iterdir()] == []


DIMENSION, SHARE = 8, 0.1


def pool(count: int, seed: int = 1) -> tuple[Ints, Floats]:
    rng = np.random.default_rng(seed)
    tickets = np.array([content_key(str(n)) for n in range(count)])
    return tickets, rng.normal(size=(count, DIMENSION)).astype(np.float16)


def learnt(tickets: Ints, vectors: Floats) -> tuple[Snapshot, Head]:
    """What is labelled by the sign of the first dimension, and the head that learnt it."""
    targets = np.stack([vectors[:, 0] > 0, vectors[:, 0] <= 0], axis=1).astype(np.float32)
    known = Snapshot(
        ids=tickets,
        vectors=vectors,
        open=np.zeros(len(tickets), bool),
        answered=np.arange(len(tickets)),
        targets=targets,
        labels=("a", "b"),
        kind="single",
    )
    centre = pool_centre(vectors, 0)
    return known, fit_head(vectors, targets, "single", ("a", "b"), centre)


def ranked(ranking: Ranking, tickets: Ints, vectors: Floats | None, size: int = 100) -> Ints:
    """Shown to the ranking in blocks, then the chosen tickets."""
    for start in range(0, len(tickets), size):
        block = slice(start, start + size)
        some = None if vectors is None else vectors[block]
        ranking.see(Block(start // size, tickets[block], some))
    return ranking.chosen().tickets


@pytest.mark.parametrize("strategy", ["margin", "query_synthesis"])
@pytest.mark.parametrize("size", [97, 1200])
def test_blocks_choose_what_the_whole_pool_would(size: int, strategy: str) -> None:
    tickets, vectors = pool(1200)
    known, head = learnt(tickets[:60], vectors[:60])
    policy = Policy(strategy, 30, SHARE, 0, guard=False)
    whole = Snapshot(
        ids=tickets,
        vectors=vectors,
        open=np.arange(1200) >= 60,
        answered=np.arange(60),
        targets=known.targets,
        labels=known.labels,
        kind="single",
    )
    expected = tickets[fast_round(whole, policy, fixed=head).rows]
    found = ranked(Ranking(known, head, policy, tickets[:60]), tickets, vectors, size)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_can_choose_from_a_dataset(strategy: str) -> None:
    """What is taken is not chosen again, and every tenth item is an audit task."""
    tickets, vectors = pool(1200)
    known, head = learnt(tickets[:60], vectors[:60])
    policy = Policy(strategy, 30, SHARE, 0, guard=False)
    found = ranked(Ranking(known, head, policy, tickets[:60]), tickets, vectors)
    assert len(set(found)) == 30
    assert not np.isin(found, tickets[:60]).any()
    assert in_reserve(found, SHARE, 0).sum() == 3


def test_what_arrives_is_measured_item_by_item() -> None:
    tickets, vectors = pool(300)
    vectors[150] = np.nan
    known, head = learnt(tickets[:60], vectors[:60])
    new = Block(0, tickets[60:], vectors[60:])

    def measured(strategy: str, head: Head | None, *, guard: bool = False) -> Floats:
        policy = Policy(strategy, 1, SHARE, 0, guard)
        return Ranking(known, head, policy, tickets[:60]).priorities(new)

    found = measured("margin", head)
    assert np.flatnonzero(np.isnan(found)).tolist() == [90]
    undecided = np.abs(head.probs(np.nan_to_num(vectors[60:]))[:, 0] - 0.5)
    undecided[90] = 1.0
    assert np.nanargmax(found) == undecided.argmin()
    alone = measured("variance", head)
    assert np.isfinite(alone).sum() == 239 and np.nanmin(alone) >= 0.0
    guarded = np.isnan(measured("margin", head, guard=True))
    assert 0 < guarded.sum() < 239, "what the guard leaves to chance"
    assert np.isnan(measured("random", head)).all()
    assert np.isnan(measured("margin", None)).all()


def test_audit_items_come_by_their_lot_over_the_whole_dataset() -> None:
    """Also from parts that are not encoded: else figures would speak of the encoded part alone."""
    tickets, vectors = pool(1000)
    known, head = learnt(tickets[:60], vectors[:60])
    ranking = Ranking(known, head, Policy("margin", 50, SHARE, 0, guard=False), tickets[:60])
    ranking.see(Block(0, tickets[:500], vectors[:500]))
    ranking.see(Block(1, tickets[500:], None))
    found = ranking.chosen().tickets
    audits = found[in_reserve(found, SHARE, 0)]
    free = tickets[60:]
    lots = np.sort(draw(free[in_reserve(free, SHARE, 0)], 0))
    assert draw(audits, 0).tolist() == lots[: len(audits)].tolist()
    others = found[~in_reserve(found, SHARE, 0)]
    assert np.isin(others, tickets[:500]).all(), "nothing is known of what is not encoded"


def test_before_anything_is_encoded_items_come_at_random() -> None:
    tickets, _ = pool(1000)
    some, _ = learnt(*pool(2))
    nothing = replace(
        some,
        ids=tickets[:0],
        vectors=np.zeros((0, 1)),
        open=np.zeros(0, bool),
        answered=np.zeros(0, np.int64),
        targets=np.zeros((0, 2)),
    )
    ranking = Ranking(nothing, None, Policy("variance", 40, SHARE, 0), tickets[:5])
    found = ranked(ranking, tickets, None)
    free = tickets[5:]
    others = free[~in_reserve(free, SHARE, 0)]
    expected = others[np.argsort(draw(others, 0))]
    assert found[~in_reserve(found, SHARE, 0)].tolist() == expected[:36].tolist()
    assert in_reserve(found, SHARE, 0).sum() == 4


def test_items_that_cannot_be_encoded_come_last() -> None:
    tickets, vectors = pool(60)
    vectors[10:] = np.nan
    known, head = learnt(tickets[:5], vectors[:5])
    ranking = Ranking(known, head, Policy("margin", 60, 0.0, 0, guard=False), tickets[:5])
    found = ranked(ranking, tickets, vectors)
    assert set(found[:5]) == set(tickets[5:10])
    assert set(found[5:]) == set(tickets[10:])


RARE, NEAR = 8, 600
"""The place of the only example of a rare label, and the first of what is like it."""


def with_a_rare_label() -> tuple[Ints, Floats, Snapshot, Head]:
    """As `pool` and `learnt`, with 30 items far from all others, one of which is labelled."""
    tickets, vectors = pool(1200)
    far = np.eye(1, DIMENSION, 1) * 5.0
    rows = np.array([RARE, *range(NEAR, NEAR + 29)])
    vectors[rows] = far + 0.1 * vectors[rows]
    known, _ = learnt(tickets[:60], vectors[:60])
    targets = np.column_stack([known.targets, np.zeros(60)]).astype(np.float32)
    targets[RARE] = [0.0, 0.0, 1.0]
    labels = ("a", "b", "rare")
    known = replace(known, targets=targets, labels=labels)
    centre = pool_centre(vectors, 0)
    return tickets, vectors, known, fit_head(vectors[:60], targets, "single", labels, centre)


def balanced() -> tuple[Ints, Floats, Snapshot, Head]:
    tickets, vectors = pool(1200)
    return tickets, vectors, *learnt(tickets[:60], vectors[:60])


def nearest_to_the_example(tickets: Ints, vectors: Floats, head: Head) -> set[int]:
    """The five items that are most like it."""
    free = np.arange(60, len(tickets))
    free = free[~in_reserve(tickets[free], SHARE, 0)]
    cosines = centred(vectors[free], head.centre) @ centred(vectors[[RARE]], head.centre)[0]
    return set(tickets[free[np.argsort(-cosines)[:5]]].tolist())


def test_items_like_an_example_of_a_rare_label_are_asked_for() -> None:
    """A label that one item in 10,000 has is in no random sample. What was labelled with it says
    where to look, unless it is an audit label."""
    tickets, vectors, known, head = with_a_rare_label()
    policy = Policy("variance", 80, SHARE, 0, guard=False)
    found = ranked(Ranking(known, head, policy, tickets[:60]), tickets, vectors)
    assert nearest_to_the_example(tickets, vectors, head) <= set(found.tolist())
    assert in_reserve(found, SHARE, 0).sum() == 8


def test_audit_labels_do_not_say_where_to_look() -> None:
    tickets, vectors, known, _ = with_a_rare_label()
    rows, centre = np.flatnonzero(np.arange(60) != RARE), pool_centre(vectors, 0)
    head = fit_head(vectors[rows], known.targets[rows], "single", known.labels, centre)
    audit = np.flatnonzero(in_reserve(tickets, SHARE, 0))[-1]
    tickets[[RARE, audit]] = tickets[[audit, RARE]]
    known = replace(known, ids=tickets[:60])
    policy = Policy("variance", 80, SHARE, 0, guard=False)
    found = ranked(Ranking(known, head, policy, tickets[:60]), tickets, vectors)
    assert not nearest_to_the_example(tickets, vectors, head) <= set(found.tolist())


def test_a_label_that_nobody_has_given_is_looked_for_where_its_name_points() -> None:
    tickets, vectors, known, head = with_a_rare_label()
    known = replace(known, targets=known.targets * [1.0, 1.0, 0.0])
    policy = Policy("variance", 80, SHARE, 0, guard=False)
    found = ranked(Ranking(known, head, policy, tickets[:60]), tickets, vectors)
    assert np.isin(found, tickets[NEAR : NEAR + 29]).sum() >= 7


@pytest.mark.parametrize("make", [balanced, with_a_rare_label])
def test_groups_seen_elsewhere_choose_what_one_ranking_chooses(
    make: Callable[[], tuple[Ints, Floats, Snapshot, Head]],
) -> None:
    """In any order, also where items are equal: which ones are chosen is not left to chance."""
    tickets, vectors, known, head = make()
    vectors[200:600], vectors[610:620] = vectors[1000], vectors[610]
    whole = Ranking(known, head, Policy("margin", 300, SHARE, 0, guard=False), tickets[:60])
    expected = ranked(whole.afresh(), tickets, vectors, 100).tolist()
    for number in (7, 2, 11, 0, 5, 1, 10, 3, 9, 4, 8, 6):
        one, block = whole.afresh(), slice(100 * number, 100 * number + 100)
        one.see(Block(number, tickets[block], vectors[block]))
        whole.kept.join(one.kept)
    assert whole.chosen().tickets.tolist() == expected
