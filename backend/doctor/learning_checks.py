"""What the model reads and learns in one project; see backend.doctor.server_checks."""

from collections.abc import Iterator, Sequence

from backend.doctor.finding import Finding
from backend.doctor.observation import Observation
from backend.doctor.repairs import require_answers
from backend.doctor.required import optional_controls
from backend.errors import UnsupportedConfig
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.types import Json
from model.types import is_of_text

SHOWN = 3
"""Tasks that cannot be read are named up to this many."""


def labelling_interface(seen: Observation) -> Finding:
    try:
        config = parse(seen.project["label_config"])
    except UnsupportedConfig as error:
        return Finding(
            "interface",
            "wrong",
            f"Nothing in the labelling interface can be learnt: {error}",
            "Change it in Settings > Labeling Interface",
        )
    if config.unseen:
        return Finding(
            "interface",
            "hint",
            f"Annotators see {', '.join(config.unseen)} and not the data under it: Label Studio's "
            "pages fill in keys of Latin letters, digits and _ only",
            "Rename the key in the data and in Settings > Labeling Interface",
        )
    if config.unshown:
        tag, instead = next(iter(config.unshown.items()))
        return Finding(
            "interface",
            "hint",
            f"The free Label Studio does not show <{tag}>: annotators see an error in its place, "
            "and all that they can save is empty",
            f"Write {instead} in Settings > Labeling Interface, unless this is Label Studio "
            "Enterprise",
        )
    if config.left_out:
        return Finding(
            "interface",
            "hint",
            f"Left to annotators: {'; '.join(config.left_out)}",
            f"None needed if this is intended; what is learnt: {_described(config)}",
        )
    return Finding("interface", "ok", _described(config))


def _described(config: LabelConfig) -> str:
    kind = {
        "single": "one label per task",
        "ordered": "one label per task, on an ordered scale",
        "multiple": "several labels per task",
        "spans": "spans of text" if is_of_text(config.layout) else "pieces of sounds",
        "boxes": "boxes in pictures",
        "pair": "which of two things is chosen",
        "candidate": "which of a task's own choices is chosen",
        "candidates": "which of a task's own choices are chosen",
        "ranking": "the order of a task's list",
    }[config.kind]
    if config.whole is not None:
        kind = "spans of text, and questions about the whole text"
    elif len(config.questions) > 1:
        kind = f"{len(config.questions)} questions"
    return kind if config.has_list else f"{len(config.labels)} labels, {kind}"


def loop(seen: Observation) -> Finding | None:
    if seen.health.status != 200:
        return None
    state = seen.state
    trouble = state.get("trouble") or state.get("training_trouble")
    if "sentence" not in state:
        trouble = f"The backend does not know project {seen.project['id']}"
    if trouble:
        return Finding(
            "loop",
            "wrong",
            f"The backend is in trouble: {trouble}",
            "Follow its advice, then open Settings > Model",
        )
    unread = list(_unread(seen))
    if unread and _has_no_order(state):
        found, fixes = _together(unread)
        return Finding("loop", "wrong", f"There is no order yet: {found}", fixes)
    return Finding("loop", "ok", str(state["sentence"]).rstrip("."))


def _has_no_order(state: Json) -> bool:
    """Whether there is no order, and nothing going on that will bring one."""
    is_working = state.get("activity") is not None or state.get("reading") is not None
    return state.get("served") is None and not is_working


def tasks(seen: Observation) -> Finding | None:
    if "sentence" not in seen.state:
        return None
    unread = list(_unread(seen))
    if not unread:
        return Finding("tasks", "ok", "All tasks can be read")
    return None if _has_no_order(seen.state) else Finding("tasks", "hint", *_together(unread))


def labels(seen: Observation) -> Finding | None:
    if "sentence" not in seen.state:
        return None
    lost = seen.state.get("not_learnt")
    if not lost:
        return Finding("labels", "ok", "All annotations are understood")
    reasons = [
        f"{one['reason']} ({one['tasks']} tasks, task {one['first']} is the first)" for one in lost
    ]
    return Finding(
        "labels",
        "hint",
        f"Something in annotations is not learnt: {'; '.join(reasons[:SHOWN])}",
        "Let a former name of a label count with LABEL_ALIASES, or correct the annotations; the "
        "status page lists all reasons",
    )


def _unread(seen: Observation) -> Iterator[tuple[str, str]]:
    """What the model cannot learn from, and what to do about it."""
    count, first = seen.state.get("unreadable", 0), seen.state.get("unreadable_tasks") or []
    if count:
        reasons = "; ".join(f"task {row['task']}: {row['reason']}" for row in first[:SHOWN])
        yield (
            f"{count} of {seen.project['task_number']} tasks cannot be read ({reasons})",
            "Do what the reasons say; the status page lists more of them, and Start Training, in "
            "Settings > Model, tries them again",
        )
    if seen.state.get("nothing_shown"):
        yield (
            seen.state["nothing_shown"],
            "Name a key that the tasks have in Settings > Labeling Interface, or import tasks with "
            "this one",
        )


def _together(found: Sequence[tuple[str, str]]) -> tuple[str, str]:
    return "; ".join(what for what, _ in found), ". ".join(fix for _, fix in found)


def required(seen: Observation) -> Finding | None:
    if not seen.project["show_collab_predictions"]:
        return Finding("required", "ok", "Choices are not pre-annotated")
    try:
        optional = optional_controls(seen.project["label_config"], seen.empty_is_none)
    except UnsupportedConfig:
        return None
    if not optional:
        kept = "An empty annotation can be saved only where it counts as an answer"
        return Finding("required", "ok", kept)
    tag = next(iter(optional.values()))
    return Finding(
        "required",
        "hint",  # most of Label Studio's own templates are like this
        "Choices are pre-annotated and not required: the hotkey of a ticked choice unticks "
        "it, and an empty annotation is saved, which counts as no label",
        f'Run the doctor with --fix, or add required="true" to <{tag}> in Settings > Labeling '
        "Interface",
        require_answers,
    )
