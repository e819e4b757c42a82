"""What a simulation says of the end, with the bundled encoder cut to its first layer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.corpus import BadCorpus
from model.simulate import main, parser, simulate
from model.simulated_finish import Finished, Given, finish_summary, finish_table

WORDS = {"animals": ("cat", "dog", "horse", "cow"), "money": ("bank", "stock", "loan", "tax")}

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pool of 160 texts and 8 others, with one label each or (`tags`) with several."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("corpus")
    texts = [
        (f"{WORDS[label][rng.integers(4)]} number {number}, the {WORDS[label][number % 4]}", label)
        for number in range(168)
        for label in [list(WORDS)[number % 2]]
    ]
    single = [json.dumps({"text": text, "label": label}) for text, label in texts]
    tags = [json.dumps({"text": text, "labels": [label, "text"]}) for text, label in texts]
    found = {}
    for name, rows in {"single": single, "tags": tags}.items():
        found[name], found[f"{name} test"] = folder / f"{name}.jsonl", folder / f"{name}-t.jsonl"
        found[name].write_text("\n".join(rows[:160]))
        found[f"{name} test"].write_text("\n".join(rows[160:]))
    return found


def words(
    files: dict[str, Path], encoder: Path, out: Path, *more: str, of: str = "single"
) -> list[str]:
    fixed = ["--strategy", "margin", "--batch", "20", "--rounds", "2", "--seeds", "2", "--no-deep"]
    paths = [str(files[of]), "--test", str(files[f"{of} test"]), "--out", str(out)]
    return [*paths, "--encoder", str(encoder), "--audit-share", "0.3", *fixed, *more]


def found_by(command: list[str]) -> Any:
    return simulate(parser().parse_args(command))["finish"]["margin"]


def test_what_may_be_given_away_is_compared_with_the_truth(
    files: dict[str, Path], one_layer: Path, tmp_path: Path
) -> None:
    command = words(files, one_layer, tmp_path, "--finish", "0.6,0.999", "--certify", "60")
    low, high = found_by(command)
    assert (low["goal"], low["runs"], low["promises"], low["below"]) == (0.6, 2, 2, 0)
    assert low["precision"] > 0.9
    assert low["coverage"] > 0.5
    assert low["coverage"] >= low["at_once"]
    # 160 tasks can hardly prove .999.
    assert high["coverage"] < 0.2
    assert high["labels"] <= 60
    lines = (tmp_path / "runs" / "margin-1.finish.jsonl").read_text().splitlines()
    assert [json.loads(line)["goal"] for line in lines[1:]] == [0.6, 0.999]


def test_labels_that_prove_more_are_asked_for(
    files: dict[str, Path], one_layer: Path, tmp_path: Path
) -> None:
    """For each goal anew, and no more than allowed."""
    wanted = ("--finish", "0.8,0.85", "--rounds", "1")
    some = found_by(words(files, one_layer, tmp_path / "some", *wanted, "--certify", "60"))
    none = found_by(words(files, one_layer, tmp_path / "none", *wanted, "--certify", "0"))
    assert [row["labels"] for row in none] == [0, 0]
    assert all(0 < row["labels"] <= 60 for row in some)
    assert some[0]["coverage"] > none[0]["coverage"]
    assert [row["at_once"] for row in some] == [row["coverage"] for row in none]


def test_what_was_found_is_not_computed_again_and_goals_may_be_added(
    files: dict[str, Path], one_layer: Path, tmp_path: Path
) -> None:
    found_by(words(files, one_layer, tmp_path, "--finish", "0.6"))
    path = tmp_path / "runs" / "margin-0.finish.jsonl"
    lines = path.read_text().splitlines()
    # As if another goal had been cut off while it was written.
    path.write_text("\n".join([*lines, lines[1][:20]]))
    changed = lines[1].replace('"labels": ', '"labels": 7')
    path.write_text("\n".join([lines[0], changed, lines[1][:20]]))
    rows = found_by(words(files, one_layer, tmp_path, "--finish", "0.7,0.6"))
    assert [row["goal"] for row in rows] == [0.7, 0.6]
    assert rows[1]["labels"] >= 35  # a mean of two runs, one of which is at 70 or more
    assert len(path.read_text().splitlines()) == 3
    with pytest.raises(BadCorpus, match="made with other options"):
        found_by(words(files, one_layer, tmp_path, "--finish", "0.6", "--confidence", "0.8"))


@pytest.mark.parametrize("goals", ["1", "0.9,0", "much"])
def test_goals_that_cannot_be_promised_are_refused(
    files: dict[str, Path],
    tmp_path: Path,
    goals: str,
) -> None:
    command = words(files, tmp_path / "encoder", tmp_path, "--finish", goals)
    with pytest.raises(BadCorpus, match=f"--finish {goals}: "):
        found_by(command)
    assert not (tmp_path / "runs").exists()


def test_each_label_and_whole_answers(
    files: dict[str, Path], one_layer: Path, tmp_path: Path
) -> None:
    """One label is that of every text, the two others share them."""
    command = words(files, one_layer, tmp_path, "--finish", "0.6", "--certify", "20", of="tags")
    (row,) = found_by([*command, "--each-label"])
    apart = row["labels_apart"]
    assert apart["frequent"]["promises"] >= 4
    assert (apart["frequent"]["below"], apart["rare"]["promises"]) == (0, 0)
    command = words(files, one_layer, tmp_path / "w", "--finish", "0.6", "--whole", of="tags")
    (whole,) = found_by(command)
    assert "labels_apart" not in whole
    assert (whole["promises"], whole["below"]) == (2, 0)


def finished(right: int, rare: int, *, labels: int = 10) -> Finished:
    """Of 100 answers `right` are right, of 10 with a rare label `rare`."""
    given = [Given("a", False, 100, right), Given("b", True, 10, rare), Given("c", True, 0, 0)]
    fixed = [Given("a", False, 50, 40)]
    return Finished(0.9, 0.0, labels, 0.5, given, 0.25, fixed)


def test_runs_in_which_too_little_was_right_are_counted() -> None:
    """Also of each label; what gives nothing away keeps its promise."""
    empty = Finished(0.9, 0.0, 0, 0.0, [Given("a", False, 0, 0)], 0.0, [])
    (row,) = finish_summary([[finished(95, 9)], [finished(88, 10)], [finished(95, 5)], [empty]])
    assert (row["runs"], row["promises"], row["below"]) == (4, 3, 1)
    assert row["precision"] == pytest.approx(np.mean([104, 98, 100]) / 110, abs=1e-4)
    assert (row["coverage"], row["labels"]) == (0.375, 7.5)
    assert row["fixed"] == {"promises": 3, "below": 3, "precision": 0.8, "coverage": 0.1875}
    assert row["labels_apart"]["frequent"] == {"promises": 3, "below": 1, "precision": 0.9267}
    assert row["labels_apart"]["rare"] == {"promises": 3, "below": 1, "precision": 0.8}
    said = finish_table({"margin": [row]})
    assert "| margin | 0.9 | 3 of 4 | 1 | 0.38 | 0.915 | 8 | 0.19 | 0.800 | 3 of 3 |" in said
    assert "margin, goal 0.9, rare labels: below the goal in 1 of 3 pairs of a run" in said
    (nothing,) = finish_summary([[empty]])
    assert "| margin | 0.9 | 0 of 1 | 0 | 0.00 | - | 0 | 0.00 | - | 0 of 0 |" in finish_table(
        {"margin": [nothing]}
    )


def test_the_command_prints_the_table_and_ends_with_json(
    files: dict[str, Path],
    one_layer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = words(files, one_layer, tmp_path, "--finish", "0.6", "--full", "--rounds", "1")
    monkeypatch.setattr("sys.argv", ["simulate", *command])
    assert main() == 0
    said = capsys.readouterr().out.splitlines()
    last = json.loads(said[-1])
    assert set(last["finish"]) == {"margin"}
    assert last["finish"]["margin"][0]["runs"] == 2
    assert any(line.startswith("| margin | 0.6 | ") for line in said)
