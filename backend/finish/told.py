"""The split in sentences, before anything is written."""

from collections.abc import Iterator, Sequence

from backend.finish.plan import Left, Plan, question_names
from model.finishing.outlook import EXTRA, More
from model.finishing.promise import NEVER, Promise

SHOWN_LABELS = 40
"""With a promise for each label, at most so many are shown, those with the most tasks first."""
MOST_OFFERS, WORTH = 3, 0.01
"""At most so many numbers of further audit labels are told, each of which gives away at least this
share of the open tasks more than the one before."""


def told(plan: Plan, audit_share: float) -> Iterator[str]:
    """The lines of a plan that is made now."""
    version, of = plan.chosen.version.name, len(plan.ids) - plan.copies + plan.left.tasks
    stand = int(plan.stands.sum()) - plan.copies
    goal = plan.goal
    what = "items of the dataset without a label" if plan.is_of_dataset else "open tasks"
    yield (
        f"Version {version} ({plan.chosen.why}), {of:,} {what}, wanted: at least "
        f"{_percent(goal.precision)} right, with a confidence of {_percent(goal.confidence)}"
    )
    count = f"{stand:,}" if stand else "none"
    yield f"The model can label {count} of them by itself{_share(stand, of) if stand else ''}"
    if plan.copies:
        more = "task counts" if plan.copies == 1 else "tasks count"
        yield (
            f"{plan.copies:,} more {more} as labelled, because people labelled a near copy, and "
            "what they said of it is written"
        )
    if plan.annotated:
        yield (
            f"{plan.annotated:,} more tasks are annotated by the model already; what is promised "
            "is promised of these, too"
        )
    yield from _promised(plan)
    if plan.left.questions:
        yield f"It does not answer: {'; '.join(plan.left.questions)}. These stay empty"
    yield f"{of - stand:,} stay with people{_about(plan.left)}"
    if plan.left.taken:
        yield (
            f"{plan.left.taken:,} further items are left out, because people labelled, skipped or "
            "deleted their tasks"
        )
    yield from _outlook(plan, audit_share, stand, of)


def _promised(plan: Plan) -> Iterator[str]:
    promises = sorted(plan.promises, key=lambda one: -one.tasks)
    if not plan.goal.each_label:
        promises = list(plan.promises)
    for promise in promises[:SHOWN_LABELS]:
        yield f"  {_name(plan, promise)}: {_in_words(promise, plan.audits)}"
    if len(promises) > SHOWN_LABELS:
        yield f"  and {len(promises) - SHOWN_LABELS} more labels"


def _name(plan: Plan, promise: Promise) -> str:
    head = plan.chosen.head
    if promise.label is not None:
        return f"'{head.labels[promise.label]}'"
    return question_names(head, plan.config)[promise.question]


def _in_words(promise: Promise, audits: int) -> str:
    if promise.threshold == NEVER:
        why = f"{audits} audit labels do not prove it" if audits else "there are no audit labels"
        return f"nothing yet, because {why}"
    wrong = "none of them wrong" if not promise.errors else f"{promise.errors} of them wrong"
    return (
        f"{promise.tasks:,} answers of a probability of {promise.threshold:.2f} or more, at least "
        f"{_percent(promise.low)} of them right: {promise.sample} audit labels prove it, {wrong}"
    )


def _about(left: Left) -> str:
    reasons = {
        "have no vector yet": left.unencoded,
        "cannot be read": left.unreadable,
        "show nothing": left.blank,
        "are not read from Label Studio yet": left.unread,
    }
    said = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
    return f" ({', '.join(said)})" if said else ""


def _outlook(plan: Plan, audit_share: float, stand: int, of: int) -> Iterator[str]:
    if not plan.audits:
        why = (
            "with AUDIT_SHARE=0 none is drawn"
            if audit_share == 0.0
            else f"{_percent(audit_share)} of the tasks that annotators see are drawn so"
        )
        how = "Label on" if plan.is_of_dataset else "--certify asks for such tasks first"
        yield (
            "Nothing can be promised, because no task that was drawn at random has a label yet: "
            f"{why}. {how}; about 60 without an error prove 95 %"
        )
        return
    now = plan.outlook.split.coverage
    offers = list(_offers(plan.outlook.more, now))
    if offers:
        # Forecasts are also about tasks that the model has annotated before: what is gained counts.
        gained = [(one.coverage - now) * plan.promised_about for one in offers]
        with_more = ", ".join(
            f"with {one.labels} probably {min(len(plan.ids), stand + round(gain)):,}"
            for one, gain in zip(offers, gained, strict=True)
        )
        how = (
            f"They come as you label: {_percent(audit_share)} of the tasks that annotators see are "
            "drawn at random"
            if plan.is_of_dataset
            else f"--certify {offers[0].labels} has annotators label these first"
        )
        yield f"More audit labels would let the model label more: {with_more}. {how}"
    elif stand < of:
        yield f"Up to {EXTRA[-1]} audit labels more would probably not change that much"


def _offers(more: Sequence[More], now: float) -> Iterator[More]:
    found, best = 0, now
    for one in more:
        if one.coverage >= best + WORTH and found < MOST_OFFERS:
            found, best = found + 1, one.coverage
            yield one


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f}".rstrip("0").rstrip(".") + " %"


def _share(part: int, whole: int) -> str:
    return f" ({_percent(part / whole)})" if whole else ""
