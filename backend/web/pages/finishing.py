"""What the status page says of what the model can label by itself, and of its proof."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backend.settings import Settings
from backend.types import Json
from backend.words import exactly, joined, roughly
from model.finishing.evidence import is_proved
from model.types import Kind

if TYPE_CHECKING:
    from backend.dataset.coverage import Coverage
    from backend.project.status import Served

WORTH = 0.05
"""A gain of less coverage is not worth saying."""

MOST_NEEDED = 10_000
"""Up to so many audit labels it is said how many a proof takes at least."""

NOTHING: Json = {
    "sentence": "",
    "coverage": None,
    "curve": [],
    "promises": [],
    "more": None,
    "things": "tasks",
}


@dataclass(frozen=True)
class About:
    """What is promised, and about what. promises: with names of questions and labels; labels, of
    which `audits` are audit labels: what the model knows; open: of how many it can say something,
    and left_out: of how many it cannot; thing: what these are, task or item."""

    outlook: Json
    promises: list[Json]
    labels: int
    audits: int
    open: int
    left_out: int
    thing: str = "task"


def finishing_of(
    served: "Served | None",
    settings: Settings,
    instead: str = "",
    covered: "Coverage | None" = None,
) -> Json:
    """sentence: what the model can label by itself, or why nothing can be said; coverage: the share
    of the open tasks, in [0, 1], None where nothing can be said; curve: rows of `precision`,
    `coverage` (promised) and `likely`; promises: one for each question, or each label, see
    `model.finishing.promise.Promise`, with the question's name; more: the fewest audit labels that
    would probably gain WORTH, with the coverage that they would make, or None; things: what all
    this is about. instead: where it is said if not here, as a sentence without a full stop, or "";
    covered: the same of the project's dataset, which then takes the place of the tasks."""
    if served is None:
        return NOTHING
    if covered is not None:
        return _told(_of_dataset(covered), settings)
    reason = f"{instead}." if instead else _why_nothing(served)
    return {**NOTHING, "sentence": reason} if reason else _told(_of_tasks(served), settings)


def _of_tasks(served: "Served") -> About:
    facts = served.version.facts
    return About(
        outlook=facts.outlook,
        promises=_named(facts.outlook["promises"], served),
        labels=facts.labels,
        audits=len(served.version.validation),
        open=facts.ranked,
        left_out=facts.open - facts.ranked,
    )


def _of_dataset(covered: "Coverage") -> About:
    return About(
        outlook=covered.outlook,
        promises=covered.outlook["promises"],
        labels=covered.labels,
        audits=covered.audits,
        open=covered.items,
        left_out=covered.left_out,
        thing="item",
    )


def _told(about: About, settings: Settings) -> Json:
    goal = {name: about.outlook[name] for name in ("precision", "confidence", "coverage")}
    found = {
        **goal,
        "curve": about.outlook["curve"],
        "promises": about.promises,
        "more": _worth_it(about.outlook),
        "things": f"{about.thing}s",
    }
    sentence = f"{_sentence(found, about, settings)}{_unknown(about)}"
    return {**found, "sentence": sentence}


OF_LIST = (
    "Of lists that each task has of its own nothing is promised: the model answers in advance, and "
    "a person looks at each task."
)
NEVER_PROMISED: dict[Kind, str] = {
    "spans": "Of spans nothing is promised: the model marks them in advance, and a person looks at "
    "each task.",
    "boxes": "Of boxes nothing is promised: the model draws them in advance, and a person looks at "
    "each picture.",
    "candidate": OF_LIST,
    "candidates": OF_LIST,
    "ranking": OF_LIST,
}
"""What is asked -> why nothing is ever said of what the model can label by itself."""


def can_prove(served: "Served | None") -> bool:
    """Whether it makes sense to ask for audit labels."""
    return served is not None and not _why_nothing(served)


def _why_nothing(served: "Served") -> str:
    """Why nothing can be said of what the model can label by itself; "" where it can."""
    facts = served.version.facts
    if served.config.kind in NEVER_PROMISED:
        return NEVER_PROMISED[served.config.kind]
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


def _sentence(found: Json, about: About, settings: Settings) -> str:
    if found["coverage"] > 0.0:
        return f"{_can(found, about)}{_more(found)}"
    if any(one["threshold"] is not None for one in found["promises"]):
        unproved = [one["question"] for one in found["promises"] if one["threshold"] is None]
        return f"{_only_some(found, unproved, about.thing)}{_more(found)}"
    return f"{_cannot(found, about, settings)}{_more(found)}"


def _can(found: Json, about: About) -> str:
    return (
        f"With these {about.labels} labels the model can label {roughly(found['coverage'])} of the "
        f"remaining {about.open:,} {about.thing}s at {_promised(found)}"
    )


def _unknown(about: About) -> str:
    """A sentence on what is open and the model says nothing of."""
    count, thing = about.left_out, about.thing
    if count <= 0:
        return ""
    if count == 1:
        return f" One further {thing} is not encoded or cannot be read, so it stays with people."
    return (
        f" {count:,} further {thing}s are not encoded or cannot be read, so they stay with people."
    )


def _only_some(found: Json, unproved: list[str], thing: str) -> str:
    if not unproved:
        return f"The model can label no {thing} wholly by itself at {_promised(found)}"
    names = joined(dict.fromkeys(unproved), "and")
    asked = f"{exactly(found['precision'])} precision"
    return (
        f"The model can label no {thing} wholly by itself: {asked} is not proved for {names}, and "
        f"each {thing} needs an answer to every question that is asked"
    )


def _cannot(found: Json, about: About, settings: Settings) -> str:
    there, count, thing = about.audits, about.open, about.thing
    start = f"The model cannot promise {exactly(found['precision'])} precision for any {thing} yet"
    if not there and settings.audit_share == 0.0:
        return f"{start}, because no audit labels are drawn (AUDIT_SHARE=0)"
    least = needed(found["precision"], found["confidence"], count)
    if least is None or least > there + count:
        return f"{start}, and {_counted(count, thing)} that are left are too few to prove it"
    takes = f"that takes at least {least:,} audit labels without an error among the {thing}s"
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
    end = (
        f"make it {share}"
        if found["coverage"] > 0.0
        else f"let it label {share} of the {found['things']}"
    )
    return f"; about {more['labels']} audit labels more would probably {end}."


def _promised(found: Json) -> str:
    return f"{exactly(found['precision'])} precision ({exactly(found['confidence'])} confidence)"


def _counted(count: int, thing: str) -> str:
    return f"the one {thing}" if count == 1 else f"the {count:,} {thing}s"


def needed(precision: float, confidence: float, open_tasks: int) -> int | None:
    """The fewest audit labels, none of them wrong, that prove this precision of so many tasks; None
    if more than MOST_NEEDED."""
    samples = np.arange(1, MOST_NEEDED + 1)
    none, rest = np.zeros(len(samples)), np.full(len(samples), open_tasks)
    proved = is_proved(none, samples, rest, precision, confidence)
    return int(samples[proved.argmax()]) if proved.any() else None
