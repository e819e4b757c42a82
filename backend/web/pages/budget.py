"""The goals that are set, how far each is reached, and how long the budget lasts."""

from dataclasses import dataclass
from typing import Any

from backend.project.history import spent as counted
from backend.settings import Settings
from backend.types import Json
from model.storage.facts import VersionFacts


@dataclass(frozen=True)
class Spent:
    """What labelling took so far. hours, cost: None where unknown; seconds_a_label: of those labels
    that have a time, with the skips between them, None where unknown; paid: annotations that are no
    skips."""

    labels: int
    hours: float | None = None
    seconds_a_label: float | None = None
    paid: int | None = None
    cost: float | None = None


def budget_of(facts: VersionFacts, settings: Settings) -> Json:
    """spent: as in Spent; lasts: for how many more labels the budget lasts, None without a budget
    or a pace; sentence: all of it in words, "" where there is nothing to say; notes: sentences on
    what is not exact; used: the share of each budget that is used, by its name."""
    spent = _spent(facts, settings)
    used = _used(spent, settings)
    lasts = _lasts(spent, settings)
    return {
        **{"spent": vars(spent), "lasts": lasts, "used": used},
        "sentence": _sentence(spent, settings, lasts),
        "notes": _notes(facts.effort) if spent.hours is not None or settings.goal_hours else [],
    }


def _spent(facts: VersionFacts, settings: Settings) -> Spent:
    effort: dict[str, Any] = facts.effort
    if not effort:
        return Spent(facts.labels)
    known = counted(effort)
    hours, paid = known["hours"], known["paid"]
    pace = effort["seconds"] / effort["worked"] if hours and effort["worked"] else None
    cost = paid * settings.label_price if settings.label_price else None
    return Spent(facts.labels, hours, pace, paid, cost)


def _used(spent: Spent, settings: Settings) -> dict[str, float]:
    budgets = {
        "labels": (spent.labels, settings.goal_labels),
        "hours": (spent.hours, settings.goal_hours),
        "cost": (spent.cost, settings.goal_cost),
    }
    return {
        name: round(min(1.0, value / budget), 4)
        for name, (value, budget) in budgets.items()
        if budget and value is not None
    }


def _lasts(spent: Spent, settings: Settings) -> int | None:
    """For how many more labels what is scarcest lasts."""
    left: list[float] = []
    if settings.goal_labels:
        left.append(settings.goal_labels - spent.labels)
    if settings.goal_hours and spent.hours is not None and spent.seconds_a_label:
        left.append((settings.goal_hours - spent.hours) * 3600 / spent.seconds_a_label)
    if settings.goal_cost and spent.cost is not None:
        left.append((settings.goal_cost - spent.cost) / settings.label_price + 1e-9)
    return max(0, int(min(left))) if left else None


def _sentence(spent: Spent, settings: Settings, lasts: int | None) -> str:
    parts = []
    if settings.goal_hours:
        hours = "an unknown number" if spent.hours is None else f"{spent.hours:.1f}"
        parts.append(f"{hours} of {settings.goal_hours:g} hours")
    elif spent.hours is not None and spent.hours > 0:
        parts.append(f"{spent.hours:.1f} hours of labelling")
    if settings.goal_labels:
        parts.append(f"{spent.labels} of {settings.goal_labels} labels")
    if settings.goal_cost:
        cost = "an unknown part" if spent.cost is None else f"{spent.cost:.2f}"
        parts.append(f"{cost} of {settings.goal_cost:g} for labels at {settings.label_price:g}")
    if not parts:
        return ""
    pace = "" if spent.seconds_a_label is None else f"{spent.seconds_a_label:.0f} s a label"
    end = f"; {pace}" if pace else ""
    if lasts is not None:
        at = f"at this pace ({pace}) the" if pace else "the"
        more = f"{lasts:,} more label" + ("" if lasts == 1 else "s")
        end = f"; {at} budget lasts for about {more}" if lasts else "; the budget is used"
    sentence = f"{', '.join(parts)}{end}."
    return sentence[0].upper() + sentence[1:]


def _notes(effort: dict[str, Any]) -> list[str]:
    notes = []
    if effort.get("cut"):
        count = effort["cut"]
        times = "1 annotation was" if count == 1 else f"{count} annotations were"
        notes.append(
            f"{times} open for so long that nobody can have worked on "
            f"{'it' if count == 1 else 'them'} all the time. At most ten minutes or 20 times the "
            "median count, whichever is less, and in any case four times the median."
        )
    if effort.get("guessed"):
        notes.append(
            f"Of {effort['guessed']} annotations the time is not read yet. They count as the "
            "median."
        )
    if effort.get("timeless"):
        notes.append(
            f"{effort['timeless']} annotations came without a time, as imported ones do, and count "
            "as none."
        )
    return notes
