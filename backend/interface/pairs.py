"""Two things that are compared: what a task shows of each."""

from collections.abc import Iterable, Sequence

from backend.interface.questions import Source

Value = tuple[Source, str | None]
"""A source, and what a task shows there."""


def parts_of_both(values: Sequence[Value]) -> tuple[str | None, ...] | None:
    """The parts of the first thing and those of the second, after None for the place of `pair` in
    the layout; None unless the task shows both. Then the texts that belong to neither, such as a
    prompt, if the labelling interface has any."""
    first, second = (_parts(values, side) for side in ("left", "right"))
    if None in (_any(first), _any(second)):
        return None
    beside = _parts(values, "") if any(not source.side for source, _ in values) else ()
    return (None, *first, *second, *beside)


def _parts(values: Iterable[Value], side: str) -> tuple[str | None, ...]:
    """What belongs to one of the two, or to neither."""
    mine = [(source, value) for source, value in values if source.side == side]
    texts = [value for source, value in mine if source.medium == "text"]
    if not texts:
        return tuple(value for _, value in mine)
    return ("\n".join(filter(None, texts)) or None,)


def _any(parts: Iterable[str | None]) -> str | None:
    return next((part for part in parts if part is not None), None)
