"""Whether the disk has room for the vectors of a dataset that are still to come."""

from dataclasses import dataclass

NUMBER_BYTES = 2
"""Vectors are kept as float16, and hardly get smaller when they are compressed."""


@dataclass(frozen=True)
class Shortage:
    """A disk that is too small: what will happen, and what to do about it, both without a full
    stop; is_now: whether it is too small for what is being encoded, and not only for what follows
    the next deep round."""

    sentence: str
    fix: str
    is_now: bool


def shortage(
    items: int, dimension: int, encoded: float, free: int, *, is_tuned: bool
) -> Shortage | None:
    """None where there is room. encoded: the share of the items that have vectors of this
    dimension; free: bytes; is_tuned: whether deep rounds make further encoders, each of which
    encodes the dataset again before the vectors of the one before are deleted."""
    whole = items * dimension * NUMBER_BYTES
    missing = round(whole * (1.0 - encoded))
    if missing > free:
        return Shortage(
            f"The vectors of the dataset that are still to come take {_size(missing)}, and the "
            f"disk of MODEL_DIR has {_size(free)} left: encoding stops when it is full",
            "Free some of the disk, or move MODEL_DIR to a larger one",
            is_now=True,
        )
    if is_tuned and missing + whole > free:
        return Shortage(
            f"After the next deep round the dataset is encoded again, which takes {_size(whole)} "
            f"beside the vectors that are there until then, and the disk of MODEL_DIR has "
            f"{_size(free)} left",
            "Free some of the disk, move MODEL_DIR to a larger one, or set DEEP_ROUNDS=false",
            is_now=False,
        )
    return None


def _size(count: int) -> str:
    """Bytes for people: 1.2 GB, 310 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
