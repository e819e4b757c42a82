"""Where the annotators of a task differ."""

from collections import Counter
from collections.abc import Mapping, Sequence

from backend.interface.questions import Answer
from backend.trainer.doubts import SHOWN_PAIRS, SHOWN_TASKS
from backend.trainer.unit import TrainingUnit
from backend.types import Json


def disagreement(votes: Mapping[int, Sequence[Answer]], unit: TrainingUnit) -> Json:
    """Where annotators differ, from the answers that each task got.

    `asked`: tasks with two answers or more; `agreed`: those of them with the same answer from
    everybody; `pairs`: labels that one person gave and another did not give but another one in
    their place, most frequent first; `tasks`: where people differ, with the answers.
    """
    several = {task: answers for task, answers in votes.items() if len(answers) > 1}
    differing = {task: answers for task, answers in several.items() if not unit.agree(answers)}
    pairs: Counter[tuple[str, ...]] = Counter()
    for answers in differing.values():
        pairs.update(unit.differences(answers))
    return {
        "asked": len(several),
        "agreed": len(several) - len(differing),
        "pairs": [
            {"labels": list(pair), "count": count} for pair, count in pairs.most_common(SHOWN_PAIRS)
        ],
        "tasks": [
            {"task": task, "answers": [unit.readable(answer) for answer in answers]}
            for task, answers in list(differing.items())[:SHOWN_TASKS]
        ],
    }
