"""Whether the next label is worth more on a new task or as a second opinion on a labelled one.

ActiveLab (Goh & Mueller 2023, "ActiveLab: Active Learning with Re-Labeling by Multiple Annotators",
arXiv:2301.11856). Each task gets one number from what the model and its annotators say, labelled or
not; the lowest ones are worth a label most.

Where we differ: how often annotators and model are right is taken from model.measuring.annotators,
and each annotator has an accuracy of their own in place of one for all.
"""

from dataclasses import dataclass

import numpy as np

from model.types import Floats, Ints


@dataclass(frozen=True)
class Trust:
    """How much is given on the word of each annotator (p,) and of the model, 0 and more."""

    people: Floats
    model: float

    @property
    def usual(self) -> float:
        """On that of an average annotator."""
        return float(self.people.mean()) if len(self.people) else 1.0


def trust_in(accuracy: Floats, model: float, commonest: float, votes_a_task: float) -> Trust:
    """How much better annotators (p,) and the model are than always giving the commonest label,
    which is the right one in this share of the tasks: 1 for those who are always right, 0 for those
    who are no better. The model's word counts as those of several, as there are `votes_a_task`.
    """
    left = max(1.0 - commonest, 1e-6)
    people: Floats = np.maximum(0.0, 1.0 - (1.0 - accuracy) / left)
    return Trust(people, max(0.0, 1.0 - (1.0 - model) / left) * votes_a_task**0.5)


def of_labelled(
    believed: Floats, given: Floats, task: Ints, person: Ints, trust: Trust, options: int
) -> Floats:
    """The numbers of labelled tasks (n,), each in [0, 1]; low: worth a second opinion.

    believed (n,): the model's probability of each task's label, by heads that did not learn it;
    given (v,): the probability of that label by each vote on it alone: its annotator's accuracy, or
    of one for another label the rest, spread evenly; task, person (v,): of each vote.
    """
    weight = trust.people[person]
    votes = np.bincount(task, weight, len(believed))
    said = np.bincount(task, weight * given, len(believed)) + trust.model * believed
    total = votes + trust.model + trust.usual
    result: Floats = (said + trust.usual / options) / np.maximum(total, 1e-12)
    return result


def of_open(probs: Floats, trust: Trust) -> Floats:
    """The numbers of tasks without a label (m,), each in [0, 1], from the model's probabilities
    (m, c); low: worth a first label."""
    total = max(trust.model + trust.usual, 1e-12)
    result: Floats = (trust.model * probs.max(axis=1) + trust.usual / probs.shape[1]) / total
    return result


def worth_again(labelled: Floats, opened: Floats, open_tasks: int, size: int) -> Ints:
    """The labelled tasks among the `size` tasks that are worth a label most, the first ones first.

    labelled (n,); opened (m,): the numbers of a random sample of the open_tasks tasks without a
    label, each of which stands for open_tasks / m.
    """
    order = np.argsort(labelled, kind="stable")[:size]
    before = np.searchsorted(np.sort(opened), labelled[order]) * (open_tasks / max(1, len(opened)))
    result: Ints = order[before + np.arange(len(order)) < size]
    return result
