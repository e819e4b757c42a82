"""The proofs find what they look for: each has a small case whose right answer a reader can see."""

import math

from tests.soak import proof
from tests.soak.ledger import Failure, Saved, Serving

SHORTLISTS = {"0.1": [7, 8, 9]}


def served(task: int, began: float = 10.0, version: str = "0.1", *, again: bool = False) -> Serving:
    return Serving(task, began, began + 1.0, frozenset({version}), None, again)


def annotated(task: int, *choices: str) -> dict[str, object]:
    rows = [{"id": place, "result": region(choice)} for place, choice in enumerate(choices)]
    return {"id": task, "annotations": rows}


def region(choice: str) -> list[dict[str, object]]:
    return [{"value": {"choices": [choice]}}]


def test_only_silence_during_an_outage_is_excused() -> None:
    silent = Failure("submit", 5.0, 6.0, None, "no answer")
    refused = Failure("submit", 5.0, 6.0, 500, "database is locked")
    assert proof.unexcused([silent], [(5.5, 9.0)]) == []
    assert proof.unexcused([silent], [(6.5, 9.0)]) == ["submit failed with status None: no answer"]
    assert proof.unexcused([refused], [(5.5, 9.0)]) == [
        "submit failed with status 500: database is locked"
    ]


def test_an_answer_that_a_kill_cut_off_is_silence() -> None:
    """Label Studio was killed in the middle of one, and the soak blamed the backend."""
    half = Failure("look", 5.0, 6.0, 200, "the response is not JSON")
    assert proof.unexcused([half], [(5.5, 9.0)]) == []
    assert proof.unexcused([half], [(6.5, 9.0)]) == [
        "look failed with status 200: the response is not JSON"
    ]


def test_the_lowest_score_is_served() -> None:
    assert proof.judge(served(7), SHORTLISTS, {}) == "lowest"
    assert proof.judge(served(8), SHORTLISTS, {}) == "out of order"
    assert proof.judge(served(99), SHORTLISTS, {}) == "out of order"


def test_a_slow_request_may_be_served_by_any_version_from_its_first_to_its_last() -> None:
    shortlists = {"0.8": [5], "0.9": [6], "0.10": [7], "0.11": [8]}
    seen = frozenset({"0.9", "0.11"})
    verdicts = {
        task: proof.judge(Serving(task, 10.0, 17.0, seen, None, False), shortlists, {})
        for task in (5, 6, 7, 8)
    }
    assert verdicts == {5: "out of order", 6: "lowest", 7: "lowest", 8: "lowest"}


def test_tasks_that_others_hold_or_have_labelled_are_passed_over() -> None:
    taken = proof.intervals([Saved(7, "tech", held=9.0), Saved(8, "tech", held=2.0, gone=9.5)])
    assert proof.judge(served(8), SHORTLISTS, taken) == "lowest"
    assert proof.judge(served(8, began=8.5), SHORTLISTS, taken) == "lowest", "while it was held"
    assert proof.judge(served(8, began=7.0), SHORTLISTS, taken) == "out of order", "too early"
    assert proof.judge(served(9), SHORTLISTS, taken) == "out of order", "8 was open again"


def test_what_cannot_be_judged_is_named() -> None:
    everything = {task: [(0.0, 100.0)] for task in SHORTLISTS["0.1"]}
    assert proof.judge(served(99), SHORTLISTS, everything) == "used up"
    assert proof.judge(served(99, version=""), SHORTLISTS, {}) == "no version"
    assert proof.judge(served(9, again=True), SHORTLISTS, {}) == "held since a lost answer"
    deleted, labelled = {99: [(0.0, 4.0)]}, {99: [(0.0, math.inf)]}
    assert proof.judge(served(99), SHORTLISTS, deleted) == "held since a lost answer"
    assert proof.judge(served(99), SHORTLISTS, labelled) == "out of order"


def test_the_score_shown_is_the_rank() -> None:
    right = Serving(8, 0.0, 1.0, frozenset({"0.1"}), ("0.1", 0.5 / 3), False)
    wrong = Serving(8, 0.0, 1.0, frozenset({"0.1"}), ("0.1", 0.0), False)
    assert proof.wrong_scores([right], SHORTLISTS) == []
    assert len(proof.wrong_scores([wrong], SHORTLISTS)) == 1


def test_labels_are_those_of_the_majority_that_the_config_knows() -> None:
    tasks = [
        annotated(1, "tech"),
        annotated(2, "tech", "sports"),
        annotated(3, "sports"),
        annotated(4, "tech", "tech", "business"),
        annotated(5),
    ]
    assert proof.labels_of(tasks, ["tech", "business"]) == {1: "tech", 2: "tech", 4: "tech"}
    assert 2 not in proof.labels_of(tasks, ["tech", "business", "sports"])


def test_each_task_is_learnt_exactly_once() -> None:
    assert proof.unlearnt([1, 2], [1], [2]) == []
    assert proof.unlearnt([1, 2, 3], [1, 2, 4], [2]) == [
        "task 2: 2 times in the last version's sets, 1 expected",
        "task 3: 0 times in the last version's sets, 1 expected",
        "task 4: 1 times in the last version's sets, 0 expected",
    ]


def test_a_version_is_whole_when_all_its_predictions_are_there() -> None:
    assert proof.not_whole({"0.1"}, {"0.1": 3}, SHORTLISTS) == []
    assert len(proof.not_whole({"0.1"}, {"0.1": 2}, SHORTLISTS)) == 1
    assert len(proof.not_whole({"0.2"}, {"0.2": 3}, SHORTLISTS)) == 1, "not on disk"


def test_a_label_is_lost_when_it_is_gone_or_another_one() -> None:
    confirmed = {0: Saved(1, "tech", 0.0), 1: Saved(1, "sports", 0.0)}
    assert proof.lost(confirmed, [annotated(1, "tech", "sports")]) == []
    assert len(proof.lost(confirmed, [annotated(1, "tech")])) == 1
    assert len(proof.lost(confirmed, [annotated(1, "tech", "tech")])) == 1
    assert len(proof.lost({}, [annotated(1, "tech")])) == 1, "nobody got a confirmation"
