"""A data folder that release 0.1 wrote beside a real Label Studio, opened by this release.

`tests.backend.data.make_old_folder` tells how it came about.
"""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from backend.dev import local
from backend.folder.damage import mended
from backend.folder.format import FORMAT, format_of, migrate
from backend.folder.past import past_of, rows_in
from backend.interface.content import key_of, parts_of
from backend.interface.parse import parse
from backend.mirror import review
from backend.mirror.pool import Pool
from backend.mirror.targets import targets_of
from backend.project.history import facts_of, reached
from backend.project.pin import pinned_name, pinned_version, served_name
from backend.settings import Settings
from backend.types import Json
from model.encoders.joint import JointEncoder
from model.storage.store import HERE, EncoderMeta, Store
from tests.backend.data.archive import CONFIG, PROJECT, TOPICS, texts, unpack

NAMES = ["0.23", "0.28", "0.29", "0.30", "1.3"]
PUBLISHED = [*(f"0.{n}" for n in range(1, 24)), "1.1", "1.2", "1.3"]
PUBLISHED += [f"0.{n}" for n in range(24, 31)]
ASKED = parse(CONFIG)

Command = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's part of MODEL_DIR. The server was started in the folder that has ENCODER."""
    unpack(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "models" / PROJECT


def written(folder: Path, name: str) -> Json:
    """What the earlier release wrote about a version."""
    facts: Json = json.loads((folder / "versions" / name / "meta.json").read_text())
    return facts


def test_every_version_is_there_with_all_that_is_known_of_it(folder: Path) -> None:
    """Otherwise an update would take away what people could roll back to, export and compare."""
    store = Store(folder)
    assert store.version_names() == NAMES
    with closing(Pool(folder / "pool.sqlite")) as pool:
        answers = pool.labelling(ASKED, empty_is_none=False).answers
    for name in NAMES:
        version, facts = store.load_version(name), written(folder, name)
        assert "format" not in facts, "as release 0.1 wrote it"
        assert version.encoder == int(name.partition(".")[0])
        assert version.head is not None
        assert version.head.labels == TOPICS
        assert version.head.weights.shape == (24, 3)
        known = {*version.training.tolist(), *version.validation.tolist()}
        assert len(known) == len(version.training) + len(version.validation)
        assert known <= answers.keys()
        assert len(version.shortlist) == 10
        for kept in asdict(version.facts).keys() & facts.keys():
            assert getattr(version.facts, kept) == facts[kept], kept
        rest = facts.keys() - asdict(version.facts).keys()
        assert rest == {"encoder", "kind", "classes"}, "nothing else was lost"
    last = store.load_version("0.30")
    assert (len(last.training), len(last.validation)) == (17, 5)
    assert (last.facts.labels, last.facts.ranked, last.facts.pool) == (29, 10, 40)
    assert (last.facts.strategy, last.facts.head_of) == ("balanced_cluster_margin", "0.23")
    assert last.facts.validation["accuracy"]["value"] == pytest.approx(0.8)
    assert last.facts.created_at > store.load_version("1.3").facts.created_at


def test_both_encoders_are_there_and_the_next_one_is_another(folder: Path) -> None:
    """Otherwise the deep round would be lost, or a new one would write over it."""
    store = Store(folder)
    first, tuned = store.encoders().values()
    assert first == EncoderMeta(source="encoder", base="encoder", max_tokens=16, dimension=24)
    assert (tuned.source, tuned.base, tuned.labels) == (HERE, "encoder", 20)
    assert tuned.spec == first.spec
    assert tuned.report is not None
    assert tuned.report["steps"] == 60
    assert store.tuned_folder(0) is None
    assert store.tuned_folder(1) == folder / "encoders" / "1"
    assert store.next_encoder() == 2


@pytest.mark.parametrize("number", [0, 1])
def test_the_pool_need_not_be_encoded_again(folder: Path, number: int) -> None:
    """All vectors are found, and they are those that the encoder computes in this release: what
    comes later is compared with them."""
    store = Store(folder)
    assert store.is_ready(number)
    with closing(Pool(folder / "pool.sqlite")) as pool:
        ids, keys = pool.keys(ASKED, seed=0)
        examples = pool.parts(ids, ASKED)
    vectors = store.vectors(number)
    rows = vectors.rows(keys)
    assert len(rows) == 40
    assert (rows >= 0).all()
    encoder = JointEncoder(store.encoders()[number].spec, store.tuned_folder(number))
    computed = encoder.encode([tuple(map(str, example)) for example in examples])
    np.testing.assert_allclose(vectors.take(rows), computed, atol=0.02)


def test_an_old_head_answers_on_old_vectors(folder: Path) -> None:
    """Predictions stay what they were: the last version of the fine-tuned encoder knows nearly all
    that it learnt."""
    store = Store(folder)
    version = store.load_version("1.3")
    with closing(Pool(folder / "pool.sqlite")) as pool:
        seen = pool.labelling(ASKED, empty_is_none=False)
    places = np.searchsorted(seen.ids, version.training)
    vectors = store.vectors(version.encoder)
    rows = vectors.rows(seen.keys[places])
    assert version.head is not None
    said = version.head.probs(vectors.take(rows)).argmax(axis=1)
    answers = [seen.answers[task] for task in version.training.tolist()]
    given = targets_of(answers, TOPICS).argmax(axis=1)
    assert (said == given).mean() > 0.8


def test_the_pin_holds(folder: Path) -> None:
    """Otherwise an update would begin to learn, which people had switched off."""
    assert pinned_name(folder) == "0.23"
    assert served_name(folder) == "0.30"
    store = Store(folder)
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pinned = pinned_version(pool, store, ASKED)
    assert pinned is not None
    last = store.load_version("0.30")
    assert pinned.head is not None and last.head is not None
    np.testing.assert_array_equal(pinned.head.weights, last.head.weights)


def test_the_history_goes_back_to_the_first_version(folder: Path) -> None:
    """Otherwise the learning curve and the reasons to stop would begin with the update."""
    rows = list(rows_in((folder / "history.jsonl").read_bytes()))
    assert [row["version"] for row in rows] == PUBLISHED
    assert [row["version"] for row in past_of(folder / "history.jsonl").rows][-8:] == [
        "1.3",
        *PUBLISHED[-7:],
    ]
    assert [row["labels"] for row in rows[:4]] == [0, 0, 1, 2]
    assert [reason.name for reason in reached(folder, Settings())] == []
    assert [reason.name for reason in reached(folder, Settings(goal_labels=29))] == ["budget_used"]
    store, of_version = Store(folder), {row["version"]: row for row in rows}
    for name in NAMES:
        line = {name: value for name, value in of_version[name].items() if name != "kappa"}
        assert facts_of(store.load_version(name)) == line, "as a line of today's would be"


def test_the_review_is_told_as_before(folder: Path) -> None:
    """Labels worth a second look, and the task about which two people differ."""
    found = review.read(folder)
    assert (found["encoder"], found["labels"]) == (1, 21)
    assert found["people"]["tasks"] == [{"task": 3, "answers": [["sports"], ["food"]]}]
    assert {"task", "doubt", "given", "said"} == found["tasks"][0].keys()
    assert {"given", "said", "count"} == found["confusions"][0].keys()


def test_the_mirror_is_kept_with_its_tasks_and_labels(folder: Path) -> None:
    """A mirror that is taken for damaged is read again from Label Studio: hours for a large
    project, in which predictions of versions that we no longer know would stay there for good."""
    before = sorted(path.name for path in folder.iterdir())
    with closing(Pool.repaired(folder / "pool.sqlite")) as pool:
        assert (pool.count(), pool.annotation_count()) == (40, 31)
        assert list(pool.published()) == PUBLISHED
        seen = pool.labelling(ASKED, empty_is_none=False)
        ids = seen.ids.tolist()
        data = dict(zip(ids, texts(), strict=True))
        assert seen.answers == {task: (data[task]["topic"],) for task in seen.answers}
        assert len(seen.answers) == 29
        assert (int(seen.open.sum()), seen.undecided, seen.skipped) == (10, 1, 0)
        parts = [parts_of(data[task], ASKED) for task in ids]
        assert seen.keys.tolist() == [key_of(part) for part in parts if part], "the same hashes"
        assert len(pool.votes(ASKED, False)[3].answers) == 2
    after = sorted(path.name for path in folder.iterdir() if path.suffix != ".sqlite-wal")
    assert [name for name in after if not name.endswith("-shm")] == before


def test_it_is_migrated_once_and_stays_what_it_was(folder: Path) -> None:
    """Its encoders and vectors get the identity by which later ones are told apart."""
    store = Store(folder)
    before = store.encoders()
    migrate(store)
    assert format_of(folder) == FORMAT
    migrated = store.encoders()
    assert migrated == before
    assert len({meta.identity for meta in migrated.values()} - {""}) == 2
    assert mended(store, 0.0) == []
    assert (store.vectors(1).rows(np.array([0])) < 0).all()
    assert Store(folder).version_names() == NAMES
    migrate(store)
    assert [one.identity for one in store.encoders().values()] == [
        one.identity for one in migrated.values()
    ]


def test_a_migration_that_was_interrupted_is_finished(folder: Path) -> None:
    """Otherwise the vectors of an encoder would count as those of another."""
    store = Store(folder)
    (store.vectors_folder(1) / "encoder").write_text("begun")
    migrate(store)
    assert store.encoders()[1].identity == "begun"
    assert mended(store, 0.0) == []


def test_what_a_later_release_wrote_is_refused_in_a_sentence(
    command: Command, folder: Path
) -> None:
    """It was a TypeError at each turn."""
    (folder / "format.json").write_text('{"format": 99}')
    status, lines = command("versions")
    assert status == 2
    assert lines[0].startswith("error: A later release wrote")
    assert "format 99" in lines[0]


@pytest.fixture
def command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command on the project: its exit status, and the lines that it printed."""
    monkeypatch.setenv("MODEL_DIR", str(folder.parent))
    monkeypatch.setenv("PORT", str(local.free_port()))

    def run(name: str, *words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["backend", name, "--project", PROJECT, *words])
        status = main()
        printed = capsys.readouterr()
        return status, (printed.out + printed.err).splitlines()

    return run


def test_the_commands_list_old_versions_and_roll_back_to_them(command: Command) -> None:
    """What people do after an update that they do not like."""
    status, lines = command("versions")
    assert status == 0
    names = [line.partition("  ")[0] for line in lines[1:6]]
    of_pinned = [f"0.{n} (head of 0.23)" for n in (28, 29)]
    last = "0.30 (served, head of 0.23)"
    assert names == ["0.23 (pinned)", "1.3", *of_pinned, last]
    assert lines[-2:] == ["Encoder 0: encoder", "Encoder 1: encoder, fine-tuned at 20 labels"]
    assert command("rollback")[1][0].startswith("Version 0.23 is pinned")
    assert command("rollback", "--to", "1.3")[1][0].startswith("Version 1.3 is pinned")
    assert command("versions")[1][2].startswith("1.3 (pinned)")
    assert command("rollback", "--latest")[1][0].startswith("No version is pinned")


def test_one_old_version_is_shown_whole(command: Command, folder: Path) -> None:
    status, lines = command("versions", "--version", "1.3")
    shown, facts = json.loads("\n".join(lines)), written(folder, "1.3")
    assert status == 0
    assert shown.items() >= facts.items()
    assert (shown["training_labels"], shown["audit_labels"]) == (19, 4)
    assert shown["encoder_meta"]["labels"] == 20
