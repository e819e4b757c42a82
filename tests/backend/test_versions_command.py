import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import DistilBertConfig, DistilBertModel, pipeline

from backend.__main__ import main
from backend.mirror.pool import Pool
from model.encoders.text import BUNDLED, TextEncoder
from model.exported import exported_of
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import HERE, EncoderMeta, Store, Version, write_encoder_meta

MADE = datetime(2026, 3, 1, 12, 30).timestamp()
META = EncoderMeta(source=BUNDLED, base=BUNDLED, max_tokens=32, dimension=384)
TEXTS = ["The cat sleeps on the sofa.", "The central bank raised its interest rates. " * 9]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of project 7, the only one."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    store = Store(tmp_path / "7")
    add_encoder(store, 0, META)
    return store


def add_encoder(store: Store, number: int, meta: EncoderMeta) -> None:
    with store.new_encoder(number) as folder:
        write_encoder_meta(folder, meta)


def add_version(
    store: Store, name: str, labels: int, later: float = 0.0, **meta: Any
) -> Head | None:
    """A version with a head if there are labels: all but two of them are for training."""
    head = None
    if labels:
        rng = np.random.default_rng(labels)
        weights = rng.normal(0.0, 5.0, (384, 2)).astype(np.float32)
        head = Head("single", ("cats", "rates"), weights, np.zeros(2, np.float32), weights[:, 0])
    tasks = np.arange(1000, 1000 + labels)
    facts = VersionFacts(**{"created_at": MADE + later, "strategy": "margin", **meta})
    shortlist = np.arange(5000, 5050)
    encoder = int(name.partition(".")[0])
    store.save_version(Version(name, encoder, head, tasks[2:], tasks[:2], shortlist, facts))
    return head


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command on project 7: its exit status, and all that it printed."""

    def run(name: str, *arguments: object, project: int = 7) -> tuple[int, str]:
        words = ["backend", name, "--project", project, *arguments]
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        status = main()
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_versions_stand_in_a_table_newest_last(store: Store, command: Command) -> None:
    """0.9 was made after 1.2: somebody went back to the first encoder."""
    add_encoder(store, 1, EncoderMeta(HERE, BUNDLED, 32, 384, labels=20))
    accuracy = {"value": 0.9, "low": 0.75, "high": 0.961}
    add_version(store, "0.1", 0)
    add_version(store, "1.2", 24, 60.0, validation={"examples": 2, "macro_f1": 0.12345})
    measured = {"accuracy": accuracy, "labels": {"cats": accuracy}}
    add_version(store, "0.9", 30, 120.0, validation=measured)
    with closing(Pool(store.folder / "pool.sqlite")) as pool:
        pool.add_published("1.2", 1.0)
        pool.add_published("0.9", 2.0)
    status, printed = command("versions")
    assert status == 0
    assert printed.splitlines() == [
        "version       made              encoder  labels  training  audit  strategy  examples"
        "  macro_f1  accuracy",
        "0.1           2026-03-01 12:30  0        0       0         0      margin",
        "1.2           2026-03-01 12:31  1        24      22        2      margin    2       "
        "  0.123",
        "0.9 (served)  2026-03-01 12:32  0        30      28        2      margin"
        "                        0.90 (0.75 to 0.96)",
        "",
        "Encoder 0: all-MiniLM-L6-v2",
        "Encoder 1: all-MiniLM-L6-v2, fine-tuned at 20 labels",
    ]


def test_one_version_is_shown_whole_but_for_the_lists_of_tasks(
    store: Store, command: Command
) -> None:
    add_version(store, "0.2", 12, validation={"accuracy": 0.5}, skipped=3)
    assert json.loads(command("versions", "--version", "0.2")[1]) == {
        "version": "0.2",
        "encoder": 0,
        "kind": "single",
        "classes": ["cats", "rates"],
        "format": 2,
        "created_at": MADE,
        "strategy": "margin",
        "random_share": 0.0,
        **{"labels": 0, "pool": 0, "encoded": 0, "ranked": 0, "open": 0, "unreadable": 0},
        **{"undecided": 0, "empty": 0, "skipped": 3},
        "validation": {"accuracy": 0.5},
        "unanswered": [],
        "certifying": 0,
        "outlook": {},
        "effort": {},
        **{"picked_first": 0, "picked_labels": 0, "why": [], "few": {}, "fit": {}},
        "sources": [],
        "seconds": 0.0,
        "training_labels": 10,
        "audit_labels": 2,
        "shortlist": 50,
        "encoder_meta": {**vars(store.encoders()[0]), "layout": ["text"], "things": []},
    }


def test_a_version_that_is_not_there_is_refused(store: Store, command: Command) -> None:
    add_version(store, "0.2", 12)
    status, printed = command("versions", "--version", "2.13")
    assert (status, printed) == (2, "error: There is no version 2.13; known are 0.2\n")


def test_a_project_before_its_first_order_has_no_versions(command: Command) -> None:
    status, printed = command("versions")
    assert status == 0
    assert "no version yet" in printed


@pytest.mark.parametrize("words", [["versions"], ["export", "--out", "out"]])
def test_an_unknown_project_is_refused_and_not_created(
    command: Command, tmp_path: Path, words: list[str]
) -> None:
    status, printed = command(*words, project=8)
    assert status == 2
    assert f"MODEL_DIR={tmp_path} holds no project 8; it holds 7" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["7"]


def test_the_exported_folder_gives_the_probabilities_of_the_newest_version(
    store: Store, command: Command, tmp_path: Path
) -> None:
    add_version(store, "0.3", 40)
    newest = add_version(store, "0.4", 50, 60.0, validation={"accuracy": 0.75})
    add_version(store, "0.5", 0, 120.0)
    out = tmp_path / "out"
    status, printed = command("export", "--out", out)
    assert status == 0
    assert f"Version 0.4 was written to {out}" in printed
    assert newest is not None
    encoder = TextEncoder(BUNDLED, 32)
    encoder.low_precision = False
    ours = newest.probs(encoder.encode(TEXTS))[:, 1]
    classify = pipeline("text-classification", str(out), truncation=True, top_k=None)
    answers: Any = classify(TEXTS)
    theirs = [{each["label"]: each["score"] for each in answer}["rates"] for answer in answers]
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4)
    kept = exported_of(out)  # for another project
    assert (kept.origin, kept.encoder, kept.spec.max_tokens) == ("project 7", None, 32)
    assert kept.head is not None
    np.testing.assert_array_equal(kept.head.weights, newest.weights)


def test_an_older_version_is_exported_by_its_name(
    store: Store, command: Command, one_layer: Path, tmp_path: Path
) -> None:
    add_encoder(store, 1, replace(META, source=str(one_layer), base=str(one_layer)))
    add_version(store, "1.3", 40, validation={"accuracy": 0.75})
    add_version(store, "1.4", 50, 60.0)
    out = tmp_path / "out"
    assert command("export", "--out", out, "--version", "1.3")[0] == 0
    card = (out / "README.md").read_text("utf-8")
    assert "| version | 1.3 |" in card
    assert "| training labels | 38 |" in card
    assert "| accuracy | 0.75 |" in card


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("0.6", "There is no version 0.6; known are 0.1, 3.1"),
        ("0.1", "Version 0.1 was made before the first label"),
        ("3.1", "Encoder 3 of version 3.1 has been deleted"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_reason(
    store: Store, command: Command, tmp_path: Path, version: str, sentence: str
) -> None:
    add_version(store, "0.1", 0)
    add_version(store, "3.1", 20)
    status, printed = command("export", "--out", tmp_path / "out", "--version", version)
    assert status == 2
    assert sentence in printed
    assert not (tmp_path / "out").exists()


def test_a_project_without_labels_has_nothing_to_export(
    store: Store, command: Command, tmp_path: Path
) -> None:
    add_version(store, "0.1", 0)
    status, printed = command("export", "--out", tmp_path / "out")
    assert status == 2
    assert "there is nothing to export yet" in printed


def test_an_encoder_of_another_form_is_refused_by_name(
    store: Store, command: Command, one_layer: Path, tmp_path: Path
) -> None:
    tokenizer = TextEncoder(str(one_layer), 32).tokenizer
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=384, hidden_dim=8, n_heads=2, n_layers=1
    )
    DistilBertModel(config).save_pretrained(tmp_path / "distilled")
    tokenizer.save_pretrained(tmp_path / "distilled")
    distilled = str(tmp_path / "distilled")
    add_encoder(store, 1, EncoderMeta(distilled, distilled, 32, 384))
    add_version(store, "1.1", 20)
    status, printed = command("export", "--out", tmp_path / "out")
    assert status == 2
    assert "Version 1.1 cannot be exported: an encoder of type distilbert" in printed
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_never_written_into(
    store: Store, command: Command, tmp_path: Path
) -> None:
    add_version(store, "0.3", 40)
    taken = tmp_path / "out" / "README.md"
    taken.parent.mkdir()
    taken.write_text("somebody's")
    for out in (taken.parent, taken):
        status, printed = command("export", "--out", out)
        assert status == 2
        assert f"{out} exists and is not an empty folder" in printed
    assert [path.read_text() for path in taken.parent.iterdir()] == ["somebody's"]
