"""What does the work on the parts of a dataset: this process, or the workers of a cluster.

Each part is worked on alone, and what comes of it is a file that is whole or absent, or a result
that can be joined to others in any order. So an engine may do parts at once, twice or not at all.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

Work = Callable[[Part], Iterator[Result | None]]
"""Does the work on one part: None between two steps of it, then the result."""

MakeWork = Callable[[], Work[Part, Result]]
"""Called once by each worker: loads what all parts need. It can be pickled."""

Results = Generator[Result | None, None, None]
"""What comes of the parts, in any order; None from time to time while there is nothing."""


class EngineFailed(Exception):
    """What keeps an engine from working, in a sentence for people."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster: its address, and how many processors and GPUs each worker has for itself."""

    address: str
    cpus: float
    gpus: float


class Engine(Protocol):
    """Has a function done for each part."""

    def map(self, make_work: MakeWork[Part, Result], parts: Sequence[Part]) -> Results[Result]:
        """The results as they come. Parts whose worker ended have none. Closing it ends the work.

        Raises what the work raises, and EngineFailed.
        """


class Local:
    """This process, one part after the other."""

    def map(self, make_work: MakeWork[Part, Result], parts: Sequence[Part]) -> Results[Result]:
        """See Engine."""
        work = make_work()
        for part in parts:
            yield from work(part)
