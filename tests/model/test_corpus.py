import gzip
import json
from pathlib import Path

import pytest

from model.corpus import BadCorpus, fingerprint, read, read_pair


def write(path: Path, *rows: object) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, "utf-8")
    return path


def test_one_label_a_text(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", {"text": "狗", "label": "dog"}, {"text": "c", "label": "cat"}
    )
    corpus = read(path)
    assert (corpus.kind, corpus.labels, corpus.texts) == ("single", ("cat", "dog"), ["狗", "c"])
    assert corpus.targets.tolist() == [[0, 1], [1, 0]]


def test_several_labels_a_text_and_none(tmp_path: Path) -> None:
    rows = [{"text": "x", "labels": ["b", "a"]}, {"text": "y", "labels": []}]
    corpus = read(write(tmp_path / "a.jsonl.gz", *rows))
    assert (corpus.kind, corpus.labels) == ("multiple", ("a", "b"))
    assert corpus.targets.tolist() == [[1, 1], [0, 0]]


def test_a_fingerprint_knows_the_content_not_the_place(tmp_path: Path) -> None:
    """A simulation that was cut off continues on another machine."""
    first, same, other = (tmp_path / name / "a.jsonl" for name in ("one", "two", "three"))
    for path, text in ((first, "x"), (same, "x"), (other, "y")):
        path.parent.mkdir()
        write(path, {"text": text, "label": "dog"})
    assert fingerprint(first) == fingerprint(same) != fingerprint(other)
    assert fingerprint(first).startswith("a.jsonl ")
    with pytest.raises(BadCorpus, match="No such file"):
        fingerprint(tmp_path / "none.jsonl")


def test_the_test_file_has_the_labels_of_the_pool(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", {"text": "x", "labels": ["a", "b"]})
    test = write(tmp_path / "test.jsonl", {"text": "y", "labels": ["unheard", "b"]})
    pool, measured = read_pair(train, test)
    assert measured.labels == pool.labels
    assert measured.targets.tolist() == [[0, 1]]


def test_a_sample_is_the_same_for_a_seed_and_never_repeats(tmp_path: Path) -> None:
    rows = [{"text": str(number), "label": str(number % 2)} for number in range(20)]
    corpus = read(write(tmp_path / "a.jsonl", *rows))
    first, again, other = corpus.sample(8, 1), corpus.sample(8, 1), corpus.sample(8, 2)
    assert first.texts == again.texts != other.texts
    assert len(set(first.texts)) == 8
    for text, target in zip(first.texts, first.targets, strict=True):
        assert target.tolist() == [int(text) % 2 == 0, int(text) % 2 == 1]
    assert len(corpus.sample(None, 0)) == len(corpus.sample(99, 0)) == 20


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([], "is empty"),
        ([{"label": "a"}], 'line 1: no object with a "text"'),
        ([{"text": "x", "label": "a"}, ["x"]], "line 2: no object"),
        ([{"text": "x", "label": 7}], "line 1: expected .*label"),
        (
            [{"text": "x", "labels": ["a"]}, {"text": "y", "label": "a"}],
            "line 2: expected .*labels",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_line(
    tmp_path: Path, rows: list[object], complaint: str
) -> None:
    with pytest.raises(BadCorpus, match=complaint):
        read(write(tmp_path / "a.jsonl", *rows))


def test_half_a_line_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "half.jsonl").write_text('{"text": "x", "label": "a"}\n{"text": ')
    with pytest.raises(BadCorpus, match="line 2 is not JSON"):
        read(tmp_path / "half.jsonl")
    with pytest.raises(BadCorpus, match=r"missing.jsonl cannot be read"):
        read(tmp_path / "missing.jsonl")


def test_a_single_label_that_the_pool_lacks_cannot_be_learnt(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", {"text": "x", "label": "a"})
    test = write(tmp_path / "test.jsonl", {"text": "y", "label": "unheard"})
    with pytest.raises(BadCorpus, match="line 1: the label 'unheard' is not in TRAIN"):
        read_pair(train, test)
