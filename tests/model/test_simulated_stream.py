"""Simulated streams with the bundled encoder cut to its first layer, which is never tuned."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from model.choosing.strategies import margin
from model.corpus import BadCorpus, read_pair
from model.learner import fast_round
from model.simulate import FULL, parser, plans_of, simulate
from model.simulated_stream import StreamPlan, StreamRun
from model.simulation import Plan, Point, play
from model.tracking import Tracker
from tests.model.test_simulate import encoder, files, plan

__all__ = ["encoder", "files"]  # fixtures

pytestmark = pytest.mark.usefixtures("one_thread")


def run(encoder: str, files: tuple[Path, Path], folder: Path, **changed: object) -> list[Point]:
    stream = StreamPlan(**asdict(plan(encoder, deep_growth=None, **changed)))
    return play(stream, *read_pair(*files), folder, "margin (stream)", StreamRun)


def test_items_are_labelled_as_they_arrive_and_the_budget_lasts_to_the_end(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    points = run(encoder, files, tmp_path)
    assert [point.labels for point in points] == [4, 8, 12, 16]
    asked = [row for point in points for row in point.asked]
    assert asked == sorted(set(asked)), "what was passed by came again"
    assert asked[0] >= 4
    assert 40 <= asked[-1] < 52


def test_what_the_model_is_less_sure_of_is_labelled(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    changed = {"deep_growth": None, "guard": False, "batch": 12, "rounds": 1}
    stream = StreamPlan(**asdict(plan(encoder, **changed)))
    with closing(Tracker(tmp_path / "logs")) as tracker:
        played = StreamRun(stream, *read_pair(*files), tmp_path, tracker)
        first = next(played.play([]))
        played.resume([])
        snapshot = played.certified(np.zeros(52, bool))
    head = fast_round(snapshot, played.policy()).head
    assert head is not None
    unsure = margin(head.probs(snapshot.vectors[np.arange(52)]))
    passed = np.setdiff1d(np.arange(4, 52), first.asked)
    assert unsure[first.asked].mean() > unsure[passed].mean() + unsure.std() / 2


def test_a_stream_that_was_cut_off_goes_on_as_if_it_had_not_been(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    whole = run(encoder, files, tmp_path)
    kept = tmp_path / "runs" / "margin (stream)-0.jsonl"
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])
    resumed = run(encoder, files, tmp_path)
    assert [(one.labels, one.asked) for one in resumed] == [
        (one.labels, one.asked) for one in whole
    ]


def test_a_run_on_a_pool_is_not_taken_for_one_on_a_stream(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    one = plan(encoder, deep_growth=None, rounds=1)
    play(one, *read_pair(*files), tmp_path, "margin (stream)")
    with pytest.raises(BadCorpus, match="made with other options"):
        run(encoder, files, tmp_path, rounds=1)


def test_all_that_arrives_is_labelled_where_the_budget_is_as_large(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    points = run(encoder, files, tmp_path, pool=10, rounds=9)
    assert [point.labels for point in points] == [4, 8, 10]
    assert [point.asked for point in points] == [[4, 5, 6, 7], [8, 9], []]


def test_the_command_plays_each_strategy_twice_and_tells_them_apart(
    encoder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = map(str, files)
    words = [train, "--test", test, "--strategy", "random", "--encoder", encoder, "--full"]
    words += ["--batch", "4", "--rounds", "2", "--seeds", "1", "--no-deep", "--stream"]
    words += ["--finish", "0.9", "--out", str(tmp_path)]
    found = simulate(parser().parse_args(words))
    assert list(found["strategies"]) == ["random", "random (stream)", FULL]
    assert found["strategies"]["random (stream)"]["labels"] == 8
    assert found["strategies"]["random (stream)"]["gain"] is not None
    assert list(found["finish"]) == ["random"]


def test_without_the_option_there_is_no_stream(files: tuple[Path, Path]) -> None:
    train, test = map(str, files)
    words = [train, "--test", test, "--strategy", "random", "--seeds", "1", "--out", "unused"]
    made = plans_of(parser().parse_args(words), read_pair(*files)[0])
    assert [(name, type(one)) for name, one in made] == [("random", Plan)]
