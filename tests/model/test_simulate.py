"""Simulations with the bundled encoder cut to its first layer: the real loop, in seconds."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from model.corpus import BadCorpus, read_pair
from model.simulate import FULL, main, parser, plans_of, simulate, summary, table
from model.simulation import NAMES, Plan, Point, called, play

SUBJECTS = {
    "animals": ("the cat", "a dog", "my horse", "the cow", "a bird", "the fish"),
    "money": ("the bank", "a stock", "my loan", "the tax", "a bond", "the budget"),
}
VERBS = ("is old", "was seen again", "came back", "pleased us", "is not here", "got lost today")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def encoder(one_layer: Path) -> str:
    return str(one_layer)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("corpus")
    rows = [
        json.dumps({"text": f"{subject} {verb}", "label": label})
        for label, subjects in SUBJECTS.items()
        for subject in subjects
        for verb in VERBS
    ]
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    train, test = folder / "train.jsonl", folder / "test.jsonl"
    train.write_text("\n".join(shuffled[:52]))
    test.write_text("\n".join(shuffled[52:]))
    return train, test


def plan(encoder: str, **changed: object) -> Plan:
    words = {"train": "train.jsonl", "test": "test.jsonl", "strategy": "margin", "seed": 0}
    numbers = {"initial": 4, "batch": 4, "rounds": 3, "pool": None, "test_size": None}
    deep = {"audit_share": 0.1, "deep_first": 8, "deep_growth": 0.5}
    read = {"max_tokens": 32, "max_windows": 2}
    switches = {"guard": True, "names": "none", "self_training": False}
    fixed = {**words, **numbers, **deep, **read, **switches, "encoder": encoder}
    return Plan(**{**fixed, **changed})  # type: ignore[arg-type]


def run(plan: Plan, files: tuple[Path, Path], folder: Path) -> list[Point]:
    pool, test = read_pair(*files)
    return play(plan, pool, test, folder, "margin")


def events(folder: Path) -> list[tuple[str, int]]:
    """(name, step) of all scalars in the event files of a folder."""
    found = []
    for path in sorted(folder.glob("events*")):
        data = path.read_bytes()
        while data:  # TFRecord: length (8 bytes), its checksum (4), event, checksum (4)
            size = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + size])
            found += [(value.tag, event.step) for value in event.summary.value]
            data = data[16 + size :]
    return found


@pytest.fixture(scope="module")
def tuned(
    encoder: str, files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Point], Path]:
    """A run with deep rounds, and its folder."""
    folder = tmp_path_factory.mktemp("tuned")
    return run(plan(encoder), files, folder), folder


@pytest.mark.slow
def test_rounds_label_tune_and_measure(tuned: tuple[list[Point], Path]) -> None:
    points, _ = tuned
    assert [point.labels for point in points] == [4, 8, 12, 16]
    # At the first deep round's 8 labels and at 1.5 times as many; 18 are not reached.
    assert [point.tuned_on for point in points] == [0, 8, 12, 12]
    assert points[-1].scores["accuracy"] > points[0].scores["accuracy"]
    asked = [row for point in points for row in point.asked]
    assert len(set(asked)) == 12
    assert not set(asked) & set(range(4))
    assert points[-1].asked == []


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(
    tuned: tuple[list[Point], Path], encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    whole, folder = tuned
    kept = tmp_path / "cut" / "runs" / "margin-0.jsonl"
    kept.parent.mkdir(parents=True)
    lines = (folder / "runs" / "margin-0.jsonl").read_text().splitlines()
    kept.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])
    resumed = run(plan(encoder), files, tmp_path / "cut")
    assert [(p.labels, p.tuned_on, p.asked) for p in resumed] == [
        (p.labels, p.tuned_on, p.asked) for p in whole
    ]
    assert resumed[-1].scores == pytest.approx(whole[-1].scores, abs=0.1)
    assert len(kept.read_text().splitlines()) == 5


def test_a_finished_run_is_not_played_again(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    frozen = plan(encoder, deep_growth=None)
    first = run(frozen, files, tmp_path)
    written = (tmp_path / "runs" / "margin-0.jsonl").read_text()
    logged = events(tmp_path / "tensorboard" / "margin-0")
    assert [asdict(point) for point in run(frozen, files, tmp_path)] == [asdict(p) for p in first]
    assert (tmp_path / "runs" / "margin-0.jsonl").read_text() == written
    assert events(tmp_path / "tensorboard" / "margin-0") == logged != []


def test_another_plan_does_not_continue_a_run(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    run(plan(encoder, deep_growth=None, rounds=1), files, tmp_path)
    with pytest.raises(BadCorpus, match="made with other options"):
        run(plan(encoder, deep_growth=None, rounds=2), files, tmp_path)


def test_a_cold_start_needs_no_label(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    points = run(plan(encoder, initial=0, rounds=1, deep_growth=None), files, tmp_path)
    assert [(point.labels, point.scores == {}) for point in points] == [(0, True), (4, False)]


def test_with_names_there_is_a_score_before_the_first_label(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """Also by the vectors of the first run of a folder, whose labels had other names."""
    scores = list[dict[str, float]]()
    for names in ("given", "none", "given"):
        one = plan(encoder, initial=0, rounds=0, deep_growth=None, names=names, seed=len(scores))
        (point,) = run(one, files, tmp_path)
        scores.append(point.scores)
    assert scores[1] == {}
    assert scores[0] == scores[2]
    assert scores[0]["accuracy"] > 0.5


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("given", ["card arrival", "top up", "", "sci tech"]),
        ("none", ["", "", "", ""]),
        ("letters", ["A", "B", "C", "D"]),
        ("shuffled", ["top up", "sci tech", "card arrival", ""]),
    ],
)
def test_what_labels_are_called(names: str, expected: list[str]) -> None:
    assert called(["card_arrival", "top_up", "5", "Sci/Tech"], names, seed=2) == expected


@pytest.mark.parametrize("seed", range(5))
def test_no_label_keeps_its_own_name_when_they_are_shuffled(seed: int) -> None:
    """With two labels, both kept their own names for the first three seeds."""
    assert called(["a", "b"], "shuffled", seed) == ["b", "a"]
    shuffled = called(["one", "two", "three", "four"], "shuffled", seed)
    pairs = zip(shuffled, ["one", "two", "three", "four"], strict=True)
    assert all(given != own for given, own in pairs)


def test_names_are_shuffled_by_the_seed_and_there_are_letters_for_all() -> None:
    labels = [f"label {chr(97 + place)}" for place in range(20)] + ["5"] * 40
    assert set(NAMES) == {"given", "none", "letters", "shuffled"}
    first, second = called(labels, "shuffled", 1), called(labels, "shuffled", 2)
    assert sorted(first) == sorted(second) == sorted(called(labels, "given", 0))
    assert first != second
    assert first == called(labels, "shuffled", 1)
    letters = called(labels, "letters", 0)
    assert [letters[place] for place in (25, 26, 51, 52)] == ["Z", "1A", "1Z", "2A"]
    assert len(set(letters)) == 60


def test_names_and_self_training_are_part_of_the_plan(files: tuple[Path, Path]) -> None:
    pool, _ = read_pair(*files)
    train, test = map(str, files)
    words = [train, "--test", test, "--strategy", "margin", "--seeds", "1", "--out", "unused"]
    ((_, default),) = plans_of(parser().parse_args(words), pool)
    assert (default.names, default.self_training) == ("given", True)
    more = ["--names", "letters", "--no-self-training"]
    ((_, other),) = plans_of(parser().parse_args([*words, *more]), pool)
    assert (other.names, other.self_training) == ("letters", False)


def test_unknown_names_are_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["a", "--test", "b", "--out", "c", "--names", "guess"])
    said = capsys.readouterr().err
    assert "guess" in said
    assert all(name in said for name in NAMES)


def test_a_pool_that_is_used_up_ends_the_run(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    points = run(plan(encoder, pool=10, rounds=9, deep_growth=None), files, tmp_path)
    assert [point.labels for point in points] == [4, 8, 10]


@pytest.mark.slow
def test_tensorboard_shows_steps_and_rounds(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """The steps of both trainings of a deep round are numbered as one."""
    run(plan(encoder, rounds=1, names="given", self_training=True), files, tmp_path)
    found = events(tmp_path / "tensorboard" / "margin-0")
    for scalar in ("train/loss", "train/micro_f1"):
        assert [step for name, step in found if name == scalar] == list(range(1, 121))
    assert [step for name, step in found if name == "test/accuracy"] == [4, 8]


@pytest.mark.slow
def test_the_command_prints_a_table_and_one_line_of_json(
    encoder: str,
    files: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here and not in a process of its own, which loads PyTorch once more."""
    train, test = map(str, files)
    words = [train, "--test", test, "--strategy", "margin,random", "--encoder", encoder]
    words += ["--initial", "4", "--batch", "4", "--rounds", "2", "--seeds", "2", "--no-deep"]
    monkeypatch.setattr(sys, "argv", ["simulate", *words, "--out", str(tmp_path)])
    assert main() == 0
    said = capsys.readouterr().out
    last = json.loads(said.splitlines()[-1])
    assert last["metric"] == "accuracy"
    chance, ours = last["strategies"]["random"], last["strategies"]["margin"]
    assert (chance["seeds"], chance["labels"]) == (ours["seeds"], ours["labels"]) == (2, 12)
    assert chance["labels_to_random_final"] <= 12
    assert "| margin |" in said
    assert (tmp_path / "curves.png").is_file()


def scored(*scores: float) -> list[Point]:
    return [Point(10 * n, 0, {"accuracy": one}, [], 0.0, {}) for n, one in enumerate(scores, 1)]


def test_what_a_strategy_gains_is_told_seed_by_seed() -> None:
    """One seed's pool is easy: seeds differ by .4, while the gains within each are .1 and .2."""
    runs = {
        "random": [scored(0.2, 0.4), scored(0.6, 0.8)],
        "margin": [scored(0.3, 0.5), scored(0.8, 1.0)],
        FULL: [scored(1.0), scored(1.0)],
    }
    found = summary(runs, "accuracy")
    assert (found["margin"]["gain"], found["margin"]["gain_error"]) == (0.15, 0.05)
    assert found["margin"]["area_error"] == 0.25
    assert found["margin"]["labels_to_random_final"] == pytest.approx(12.5)
    assert (found["random"]["gain"], found[FULL]["gain"]) == (0.0, None)
    assert "| margin | 0.650 ± 0.250 | +0.150 ± 0.050 |" in table(found)
    alone = summary({"margin": runs["margin"]}, "accuracy")["margin"]
    assert (alone["gain"], alone["labels_to_random_final"]) == (None, None)


def test_full_is_given_all_labels_at_once(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = map(str, files)
    words = [train, "--test", test, "--strategy", "random", "--encoder", encoder, "--full"]
    words += ["--initial", "4", "--batch", "4", "--rounds", "1", "--seeds", "1", "--no-deep"]
    found = simulate(parser().parse_args([*words, "--out", str(tmp_path)]))
    assert found["strategies"][FULL]["labels"] == 52


def test_an_unknown_strategy_is_refused_with_the_known_ones(files: tuple[Path, Path]) -> None:
    train, test = files
    words = [str(train), "--test", str(test), "--strategy", "guess", "--out", "unused"]
    with pytest.raises(BadCorpus, match=r"unknown strategy 'guess'; known: .*random, "):
        plans_of(parser().parse_args(words), read_pair(train, test)[0])
