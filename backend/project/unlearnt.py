"""What is not read and not learnt, in words: silence would be the worst answer."""

import logging
from collections.abc import Iterator, Mapping, Sequence

from backend.interface.content import list_problem
from backend.interface.names import unnamed
from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import NothingShown
from backend.project.status import NotLearnt
from backend.words import joined

log = logging.getLogger(__name__)

MOST_REASONS = 20
MOST_KEYS = 10


def not_learnt(labelling: Labelling, lost: Mapping[str, list[int]]) -> tuple[NotLearnt, ...]:
    """The reasons why annotations are not learnt, the most frequent first; then the same of weak
    labels. lost: what the last round could not learn of them."""
    weak = {
        f"weak labels of '{source.name}': {why}": tasks
        for source in labelling.weak
        for why, tasks in source.lost.items()
    }
    return (*_most_frequent({**labelling.reasons, **lost}), *_most_frequent(weak))


def _most_frequent(reasons: Mapping[str, list[int]]) -> Iterator[NotLearnt]:
    ordered = sorted(reasons.items(), key=lambda one: (-len(one[1]), one[0]))
    for reason, tasks in ordered[:MOST_REASONS]:
        yield NotLearnt(reason, len(tasks), min(tasks))


def log_new_reasons(project: int, before: Sequence[NotLearnt], now: Sequence[NotLearnt]) -> None:
    """Log the reasons that were not there before."""
    known = {one.reason for one in before}
    for one in now:
        if one.reason not in known:
            log.warning(
                "project %d: not learnt from task %d, among others: %s",
                project,
                one.first,
                one.reason,
            )


def log_limits(project: int, config: LabelConfig, *, names_are_read: bool) -> None:
    """Log what is left to people, which data they do not see, and which names cannot stand in for
    the first labels."""
    if config.left_out:
        log.info("project %d: left to people: %s", project, "; ".join(config.left_out))
    for value in config.unseen:
        log.warning(
            "project %d: annotators see %s and not the data under it: Label Studio's pages fill in "
            "keys of Latin letters, digits and _ only. Rename the key",
            project,
            value,
        )
    for tag, instead in config.unshown.items():
        log.warning(
            "project %d: the free Label Studio does not show <%s>: annotators see an error in its "
            "place. Write %s, unless this is Label Studio Enterprise",
            project,
            tag,
            instead,
        )
    found = unnamed(config) if names_are_read else []
    if found:
        log.info(
            "project %d: the names of %d of %d labels say nothing to a reader, such as '%s'; a "
            "hint in the <Choice> would",
            project,
            len(found),
            len(config.labels),
            found[0],
        )


def sentence_on(nothing: NothingShown | None, config: LabelConfig) -> str:
    """That tasks show nothing, and where in their data something was looked for; "" if all show
    something."""
    if nothing is None:
        return ""
    looked_at = config.sources[:1] if config.has_list else config.sources
    keys = [key for source in looked_at for key in source.keys]
    wanted = _listed(keys, "or")
    some = f"{nothing.tasks} of {nothing.of} tasks have"
    is_there = not set(keys).isdisjoint(nothing.keys)
    what = "nothing that can be read" if is_there else "nothing"
    if is_there and config.has_list:
        reason = list_problem(config, nothing.data)
        return (
            f"{some} no list under {wanted} that can be learnt; "
            f"the first of them, task {nothing.first}: {reason}"
        )
    has = f"has the keys {_listed(nothing.keys, 'and')}" if nothing.keys else "has no data"
    return f"{some} {what} under {wanted}; the first of them, task {nothing.first}, {has}"


def _listed(keys: list[str] | tuple[str, ...], last: str) -> str:
    """For example `a`, `b` and `c`."""
    shown = [f"`{key}`" for key in dict.fromkeys(keys)]
    if len(shown) > MOST_KEYS:
        shown = [*shown[: MOST_KEYS - 1], f"{len(shown) - MOST_KEYS + 1} more"]
    return joined(shown, last)
