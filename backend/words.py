"""How sentences show what other people wrote, and shares."""

from collections.abc import Iterable


def joined(names: Iterable[str], last: str) -> str:
    """One or more names, for example "a, b and c", with `last` before the last one."""
    *others, final = names
    return f"{', '.join(others)} {last} {final}" if others else final


def shortened(text: str, most: int) -> str:
    """In one line of at most `most` characters. Spaces stay: a label may differ in them alone."""
    line = " ".join(text.splitlines())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def exactly(share: float) -> str:
    """A goal: 0.95 as 95 %, 0.925 as 92.5 %."""
    return f"{100 * share:g} %"


def roughly(share: float) -> str:
    """A share of tasks in whole percent; only none is 0 %, and only all are 100 %."""
    text = f"{100 * share:.0f}"
    if text in ("0", "100") and 0.0 < share < 1.0:
        text = "less than 1" if text == "0" else "more than 99"
    return f"{text} %"
