"""What the status page says of what the model can label by itself, and of its proof."""

from typing import TYPE_CHECKING

import numpy as np

from backend.settings import Settings
from backend.types import Json
from backend.words import exactly, joined, roughly
from model.finishing.evidence import is_proved

if TYPE_CHECKING:
    from backend.project.status import Served

WORTH = 0.05
"""A gain of less coverage is not worth saying."""

MOST_NEEDED = 10_000
"""Up to so many audit labels it is said how many a proof takes at least."""

NOTHING: Json = {"sentence": "", "coverage": None, "curve": [], "promises": [], "more": None}


def finishing_of(served: "Served | None", settings: Settings, instead: str = "") -> Json:
    """sentence: what the model can label by itself, or why nothing can be said; coverage: the share
    of the open tasks, in [0, 1], None where nothing can be said; curve: rows of `precision`,
    `coverage` (promised) and `likely`; promises: one for each question, or each label, see
    `model.finishing.promise.Promise`, with the question's name; more: the fewest audit labels that
    would probably gain WORTH, with the coverage that they would make, or None. instead: where it is
    said if not here, as a sentence without a full stop, or ""."""
    if served is None:
        return NOTHING
    reason = f"{instead}." if instead else _why_nothing(served)
    if reason:
        return {**NOTHING, "sentence": reason}
    outlook = served.version.facts.outlook
    goal = {name: outlook[name] for name in ("precision", "confidence", "coverage")}
    found = {
        **goal,
        "curve": outlook["curve"],
        "promises": _named(outlook["promises"], served),
        "more": _worth_it(outlook),
    }
    sentence = f"{_sentence(found, served, settings)}{_unknown(served)}"
    return {**found, "sentence": sentence}


def can_prove(served: "Served | None") -> bool:
    """Whether it makes sense to ask for audit labels."""
    return served is not None and not _why_nothing(served)


def _why_nothing(served: "Served") -> str:
    """Why nothing can be said of what the model can label by itself; "" where it can."""
    facts = served.version.facts
    if served.config.kind == "spans":
        return (
            "Of spans nothing is promised: the model marks them in advance, and a person looks at "
            "each text."
        )
    if served.version.head is None:
        return "Nothing can be said before the first labels: the model knows none yet."
    if not facts.open:
        return "No task is left to label."
    if not facts.ranked:
        return "No task that the model can read is left to label."
    if not facts.outlook:
        return (
            "This version was made by an earlier release, or while the pool was a dataset; the "
            "next one will say it."
        )
    return ""


def _named(promises: list[Json], served: "Served") -> list[Json]:
    """The promises with the names of their question and label; a question that the head does not
    know has none."""
    head = served.version.head
    assert head is not None
    starts = [group.start for group in head.groups] or [0]
    of_label = {label: one for one in served.config.questions for label in one.labels}
    found = []
    for promise in promises:
        question = of_label.get(head.labels[starts[promise["question"]]])
        name = question.from_name if question else str(promise["question"] + 1)
        label = None if promise["label"] is None else head.labels[promise["label"]]
        found.append({**promise, "question": name, "label": label})
    return found


def _worth_it(outlook: Json) -> Json | None:
    """The fewest further audit labels that probably gain WORTH."""
    gains = (one for one in outlook["more"] if one["coverage"] - outlook["coverage"] >= WORTH)
    return next(gains, None)


def _sentence(found: Json, served: "Served", settings: Settings) -> str:
    if found["coverage"] > 0.0:
        return f"{_can(found, served)}{_more(found)}"
    if any(one["threshold"] is not None for one in found["promises"]):
        unproved = [one["question"] for one in found["promises"] if one["threshold"] is None]
        return f"{_only_some(found, unproved)}{_more(found)}"
    return f"{_cannot(found, served, settings)}{_more(found)}"


def _can(found: Json, served: "Served") -> str:
    facts = served.version.facts
    return (
        f"With these {facts.labels} labels the model can label {roughly(found['coverage'])} of the "
        f"remaining {facts.ranked:,} tasks at {_promised(found)}"
    )


def _unknown(served: "Served") -> str:
    """A sentence on the open tasks of which the model says nothing."""
    count = served.version.facts.open - served.version.facts.ranked
    if count <= 0:
        return ""
    if count == 1:
        return " One further task is not encoded or cannot be read, so it stays with people."
    return f" {count:,} further tasks are not encoded or cannot be read, so they stay with people."


def _only_some(found: Json, unproved: list[str]) -> str:
    if not unproved:
        return f"The model can label no task wholly by itself at {_promised(found)}"
    names = joined(dict.fromkeys(unproved), "and")
    asked = f"{exactly(found['precision'])} precision"
    return (
        f"The model can label no task wholly by itself: {asked} is not proved for {names}, and "
        "a task needs an answer to every question that is asked"
    )


def _cannot(found: Json, served: "Served", settings: Settings) -> str:
    there, open_tasks = len(served.version.validation), served.version.facts.ranked
    start = f"The model cannot promise {exactly(found['precision'])} precision for any task yet"
    if not there and settings.audit_share == 0.0:
        return f"{start}, because no audit labels are drawn (AUDIT_SHARE=0)"
    least = needed(found["precision"], found["confidence"], open_tasks)
    if least is None or least > there + open_tasks:
        return f"{start}, and {_tasks(open_tasks)} that are left are too few to prove it"
    takes = f"that takes at least {least:,} audit labels without an error among the tasks"
    are = "is" if there == 1 else "are"
    if there < least:
        return f"{start}; {takes} that it labels, and {there} {are} there"
    return f"{start}; {takes} that it labels. There {are} {there}, with errors among the surest"


def _more(found: Json) -> str:
    """The end of the sentence: what further audit labels would change."""
    more = found["more"]
    if more is None:
        is_some = found["coverage"] > 0.0
        return "; further audit labels would hardly change this." if is_some else "."
    share = roughly(more["coverage"])
    end = f"make it {share}" if found["coverage"] > 0.0 else f"let it label {share} of the tasks"
    return f"; about {more['labels']} audit labels more would probably {end}."


def _promised(found: Json) -> str:
    return f"{exactly(found['precision'])} precision ({exactly(found['confidence'])} confidence)"


def _tasks(count: int) -> str:
    return "the one task" if count == 1 else f"the {count:,} tasks"


def needed(precision: float, confidence: float, open_tasks: int) -> int | None:
    """The fewest audit labels, none of them wrong, that prove this precision of so many tasks; None
    if more than MOST_NEEDED."""
    samples = np.arange(1, MOST_NEEDED + 1)
    none, rest = np.zeros(len(samples)), np.full(len(samples), open_tasks)
    proved = is_proved(none, samples, rest, precision, confidence)
    return int(samples[proved.argmax()]) if proved.any() else None
