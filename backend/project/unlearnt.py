"""What is not read and not learnt, in words: silence would be the worst answer."""

from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import NothingShown
from backend.project.status import NotLearnt
from backend.words import joined

MOST_REASONS = 20
MOST_KEYS = 10


def not_learnt(labelling: Labelling) -> tuple[NotLearnt, ...]:
    """The reasons why annotations are not learnt, the most frequent first."""
    ordered = sorted(labelling.reasons.items(), key=lambda one: (-len(one[1]), one[0]))
    return tuple(
        NotLearnt(reason, len(tasks), min(tasks)) for reason, tasks in ordered[:MOST_REASONS]
    )


def sentence_on(nothing: NothingShown | None, config: LabelConfig) -> str:
    """That tasks show nothing, and where in their data something was looked for; "" if all show
    something."""
    if nothing is None:
        return ""
    wanted = _listed([key for source in config.sources for key in source.keys], "or")
    has = f"has the keys {_listed(nothing.keys, 'and')}" if nothing.keys else "has no data"
    return (
        f"{nothing.tasks} of {nothing.of} tasks have nothing under {wanted}; the first of them, "
        f"task {nothing.first}, {has}"
    )


def _listed(keys: list[str] | tuple[str, ...], last: str) -> str:
    """For example `a`, `b` and `c`."""
    shown = [f"`{key}`" for key in dict.fromkeys(keys)]
    if len(shown) > MOST_KEYS:
        shown = [*shown[: MOST_KEYS - 1], f"{len(shown) - MOST_KEYS + 1} more"]
    return joined(shown, last)
