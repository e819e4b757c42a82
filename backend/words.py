"""How sentences show what other people wrote."""

from collections.abc import Iterable


def joined(names: Iterable[str], last: str) -> str:
    """One or more names, for example "a, b and c", with `last` before the last one."""
    *others, final = names
    return f"{', '.join(others)} {last} {final}" if others else final


def shortened(text: str, most: int) -> str:
    """In one line of at most `most` characters. Spaces stay: a label may differ in them alone."""
    line = " ".join(text.splitlines())
    return line if len(line) <= most else f"{line[: most - 1]}…"
