"""What precision is asked for, and what it is a precision of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """That of the answers that stand without a person, at least the share `precision` is right,
    with this confidence; both in (0, 1). Raises ValueError for others.

    each_label: promised for the answers of each label, not of each question; rare labels then need
    audit labels of their own. whole: where a task may have several labels, an answer is right if it
    is exactly the labels that people give; otherwise if all of its labels are among these.
    """

    precision: float = 0.95
    confidence: float = 0.9
    each_label: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        for name in ("precision", "confidence"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ValueError(
                    f"a {name} of {value:g} cannot be promised: it must lie between 0 and 1, both "
                    "excluded, because no number of labels proves that a model never errs"
                )
