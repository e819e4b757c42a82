"""How many labels tell which of two ways of asking teaches more: DATA/NAME/{train,test}.jsonl.gz.

    python -m tests.benchmarks.judging_gain DATA OUT [--sets trec6 subj] [--seeds 5] [--me5 FOLDER]

A guard that judges gain would compare, on labels drawn at random, the head of what the strategy
asked for with the head of as many random labels. This plays both as tests.benchmarks.first_labels
does, and compares them on the test texts: the mean difference of their losses, how much it varies
from text to text, and so how many random labels it takes until a difference of this size is
1.645 standard errors large, which a test at the level of 5 % finds in half of all cases.
"""

from argparse import Namespace

import numpy as np

from model.heads.head import Head
from model.measuring.curves import standard_error
from model.types import Floats
from tests.benchmarks.first_labels import BATCH, Arm, Encoded, arguments_of, outcomes, texts_of

ARMS = ("auto", "margin", "entropy")
COUNTS = (100, 200, 300)
ONE_SIDED = 1.645


def losses(head: Head, texts: Encoded) -> dict[str, Floats]:
    """What each test text costs (n,): wrong labels, the Brier score, and the log-loss."""
    probs, truth = head.probs(texts.test_vectors), texts.test.targets > 0
    answers = head.answers(probs) > 0
    likely = np.clip(probs, 1e-4, 1 - 1e-4)
    of_given = -np.log(likely) * truth
    of_others = -np.log(1 - likely) * ~truth
    log_loss = of_given if texts.test.kind == "single" else of_given + of_others
    return {
        "errors": (answers ^ truth).any(axis=1).astype(np.float64),
        "Brier score": ((probs - truth) ** 2).sum(axis=1),
        "log-loss": log_loss.sum(axis=1),
    }


def played(texts: Encoded, strategy: str, seed: int) -> dict[int, dict[str, Floats]]:
    """The losses after each of COUNTS labels."""
    heads = [one.head for one in outcomes(texts, Arm(strategy, "given"), seed, most=COUNTS[-1])]
    known = {count: heads[count // BATCH] for count in COUNTS}
    return {count: losses(head, texts) for count, head in known.items() if head is not None}


def needed(difference: float, spread: float) -> float:
    """Labels until a mean difference stands out, where single ones vary by `spread`."""
    return float((ONE_SIDED * spread / difference) ** 2) if difference else float("inf")


def cell(differences: Floats) -> str:
    """differences (seeds, n): what random choice loses more than the strategy on each text."""
    means = differences.mean(axis=1)
    labels = needed(float(means.mean()), float(differences.std(axis=1).mean()))
    return f"{means.mean():+.3f} ± {standard_error(means):.3f}: {labels:,.0f}"


def rows(texts: Encoded, name: str, arguments: Namespace) -> list[str]:
    """Lines of the table, one for each strategy and number of labels."""
    seeds = range(arguments.seeds)
    chance = [played(texts, "random", seed) for seed in seeds]
    lines = []
    for strategy in arguments.arms:
        ours = [played(texts, strategy, seed) for seed in seeds]
        for count in COUNTS:
            differences = [
                np.array(
                    [a[count][loss] - b[count][loss] for a, b in zip(chance, ours, strict=True)]
                )
                for loss in chance[0][count]
            ]
            lines.append(
                f"| {name} | {strategy} | {count} | {' | '.join(map(cell, differences))} |"
            )
    return lines


def main() -> None:
    arguments = arguments_of(__doc__, ARMS, seeds=5)
    print(
        "| set | strategy | labels | errors | Brier score | log-loss |\n|---|---|---|---|---|---|"
    )
    for name in arguments.sets:
        for line in rows(texts_of(name, arguments), name, arguments):
            print(line, flush=True)


if __name__ == "__main__":
    main()
