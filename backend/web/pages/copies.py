"""What the status page says of near copies."""

from typing import TYPE_CHECKING

from backend.types import Json

if TYPE_CHECKING:
    from backend.project.status import Status

SHOWN_PAIRS = 15


def copies_of(status: "Status") -> Json | None:
    """None where no tasks are near copies of each other.

    tasks, groups: how many tasks are near copies, in how many groups; sentence: that in words, and
    what follows from it; counted: how many tasks count as labelled; largest: the groups with the
    most tasks, each with the first `tasks`, the `size`, what is proposed for them (`answer`; None:
    nothing) and the task that people said it of (`like`); disagreeing: pairs of tasks that are near
    copies and that people gave different answers.
    """
    copied = status.copied
    if copied is None or not copied.grouping.tasks:
        return None
    grouping = copied.grouping
    largest = []
    for group in grouping.largest:
        proposal = copied.of_tasks(group.tasks[:1]).get(group.tasks[0])
        largest.append(
            {
                "tasks": group.tasks,
                "size": group.size,
                "answer": None if proposal is None else [str(label) for label in proposal.answer],
                "like": None if proposal is None else proposal.task,
            }
        )
    return {
        "tasks": grouping.tasks,
        "groups": grouping.count,
        "counted": status.counted,
        "sentence": _sentence(
            grouping.tasks, grouping.count, len(copied.proposals), status.counted
        ),
        "largest": largest,
        "disagreeing": [list(pair) for pair in copied.disagreeing[:SHOWN_PAIRS]],
        "disagreements": len(copied.disagreeing),
    }


def _sentence(tasks: int, groups: int, answered: int, counted: int) -> str:
    begin = (
        f"{tasks:,} tasks are near copies of each other, in {groups:,} "
        f"group{'' if groups == 1 else 's'}"
    )
    if counted:
        are = "task counts" if counted == 1 else "tasks count"
        return f"{begin}. {counted:,} {are} as labelled, because a near copy is labelled."
    asked = "Of each group one task is asked for before all others, besides audit tasks"
    if not answered:
        return f"{begin}. {asked}."
    have = "group has an answer, which is" if answered == 1 else "groups have an answer, which is"
    return f"{begin}. {asked}. {answered:,} {have} proposed for the rest of the group."
