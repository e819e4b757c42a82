"""What a job tells of its progress."""

from typing import Protocol


class Report(Protocol):
    """Made by the worker. Whatever a job does for long, it must tell in between: a process that
    tells nothing counts as one that hangs."""

    def advanced(self, share: float) -> None:
        """This share of the job is done, in [0, 1]. An urgent job of another project may be done
        before this returns: call it only between two pieces of work."""

    def working(self) -> None:
        """Some work is done, such as a task that was read. May be called as often as one likes."""
