"""When a new order is due."""

from dataclasses import dataclass

from backend.interface.questions import LabelConfig
from backend.mirror.certified import Certifying


@dataclass(frozen=True)
class Ranked:
    """What the last published order was made from; a new one is due when this differs.

    covered: how many of the `total` tasks had a vector by the encoder; names: how many of the
    labels' names had; pinned: the version whose head ranked them, None when one was fitted to the
    labels; unranked: how many of the tasks in the order had no vector, 0 before it is made; used:
    the share of the order before that is labelled by now; certifying: what is being proved about
    the tasks that the model may label; is_outside: whether the pool is a dataset, of whose tasks
    nothing is proved.
    """

    revision: int
    config: LabelConfig
    encoder: int
    covered: int
    total: int
    names: int
    pinned: str | None
    unranked: int = 0
    used: float = 0.0
    certifying: Certifying | None = None
    is_outside: bool = False


def is_due(before: Ranked | None, now: Ranked, all_read: bool) -> bool:
    """Whether anything changed that changes the order. Tasks and vectors that are still coming
    count each time they have doubled, and when they are all there, but at once where tasks without
    a vector are asked for meanwhile. all_read: whether all tasks are known; until then labels count
    when half of the order is used."""
    if before is None or before.config != now.config or before.names < now.names:
        return True
    if before.is_outside != now.is_outside:  # nothing else tells what the model may label by now
        return True
    if before.revision != now.revision if all_read else now.used >= 0.5:
        return True
    enough = now.covered >= 2 * before.covered or (all_read and now.covered == now.total)
    if before.unranked > 0:
        grown = (now.covered, now.total) != (before.covered, before.total)
    else:
        grown = now.covered > before.covered and enough
    ranks_otherwise = before.encoder != now.encoder or before.pinned != now.pinned
    return ranks_otherwise or before.certifying != now.certifying or grown
