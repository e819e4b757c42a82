"""What a soak must prove, as pure functions that return a sentence for each contradiction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from backend.types import Json
from model.storage.store import version_key
from tests.soak.ledger import Failure, Saved, Serving

Interval = tuple[float, float]


def unexcused(failures: Iterable[Failure], outages: Sequence[Interval]) -> list[str]:
    """Failed calls other than those that Label Studio could not answer, or not to the end, because
    it was down: the half of an answer has a good status and cannot be read."""
    return [
        f"{failure.what} failed with status {failure.status}: {failure.message}"
        for failure in failures
        if (failure.status or 0) >= 400
        or not any(_overlap((failure.began, failure.ended), outage) for outage in outages)
    ]


def lost(saved: Mapping[int, Saved], tasks: Iterable[Json]) -> list[str]:
    """Differences between what Label Studio confirmed as saved and what it has."""
    confirmed = {number: (row.task, [row.choice]) for number, row in saved.items()}
    found = {
        annotation["id"]: (task["id"], choices_of(annotation))
        for task in tasks
        for annotation in task["annotations"]
    }
    return [
        f"annotation {number}: saved as (task, choices) {confirmed.get(number)}, "
        f"Label Studio has {found.get(number)}"
        for number in sorted(confirmed.keys() | found.keys())
        if confirmed.get(number) != found.get(number)
    ]


def labels_of(tasks: Iterable[Json], choices: Sequence[str]) -> dict[int, str]:
    """Task -> the choice of most of its annotations; tasks without a majority are left out, and so
    are choices that the labelling config does not have."""
    agreed = {}
    for task in tasks:
        votes = Counter(
            choice
            for annotation in task["annotations"]
            for choice in choices_of(annotation)
            if choice in choices
        ).most_common(2)
        if len(votes) == 1 or (len(votes) == 2 and votes[0][1] > votes[1][1]):
            agreed[task["id"]] = votes[0][0]
    return agreed


def choices_of(annotation: Json) -> list[str]:
    return [choice for region in annotation["result"] for choice in region["value"]["choices"]]


def unlearnt(labelled: Iterable[int], training: list[int], validation: list[int]) -> list[str]:
    """Tasks that are not in exactly one of a version's sets exactly once, or in one by mistake."""
    wanted = Counter(set(labelled))
    held = Counter(training + validation)
    return [
        f"task {task}: {held[task]} times in the last version's sets, {wanted[task]} expected"
        for task in sorted(wanted.keys() | held.keys())
        if wanted[task] != held[task]
    ]


def not_whole(
    versions: Iterable[str], written: Mapping[str, int], shortlists: Mapping[str, Sequence[int]]
) -> list[str]:
    """Versions that were served while they were not on disk, or while predictions were missing.

    written: version -> its predictions in Label Studio; shortlists: version -> its tasks, best
    first, of all versions on disk.
    """
    wrong = []
    for name in sorted(versions):
        wanted = len(shortlists[name]) if name in shortlists else None
        if wanted is None or written.get(name) != wanted:
            wrong.append(
                f"version {name}: {written.get(name)} predictions in Label Studio, "
                f"{wanted} tasks in its shortlist on disk"
            )
    return wrong


def judge(
    serving: Serving, shortlists: Mapping[str, Sequence[int]], taken: Mapping[int, list[Interval]]
) -> str:
    """ "lowest" when the task was the minimum of a version, "out of order" when it was not.

    A slow request may see several switches: any version from the first to the last that the
    serving names may have been the one.

    taken: task -> when it was not to be had, because somebody held it or had labelled it. Each task
    of a lower score must have been taken at some moment of the request. When all of a version's
    tasks were, the order was "used up": Label Studio then draws at random.

    On sqlite Label Studio itself repeats a `next` that met a locked database, and the task of the
    first try stays locked for the annotator. Somebody else labels it; once that annotation is
    deleted, it comes before everything else.
    """
    if serving.resumed:
        return "held since a lost answer"
    named = sorted(version_key(name) for name in serving.versions if name in shortlists)
    if not named:
        return "no version"
    known = [
        shortlist
        for name, shortlist in shortlists.items()
        if named[0] <= version_key(name) <= named[-1]
    ]
    request = (serving.began, serving.ended)

    def was_taken(task: int) -> bool:
        return any(_overlap(request, interval) for interval in taken.get(task, []))

    for shortlist in known:
        better = shortlist[: shortlist.index(serving.task)] if serving.task in shortlist else None
        if better is not None and all(map(was_taken, better)):
            return "lowest"
        if better is None and all(map(was_taken, shortlist)):
            return "used up"
    if any(gone <= serving.ended for _, gone in taken.get(serving.task, [])):
        return "held since a lost answer"
    return "out of order"


def wrong_scores(servings: Iterable[Serving], shortlists: Mapping[str, Sequence[int]]) -> list[str]:
    """Answers that showed another score than half the task's rank in the version, as a share."""
    wrong = []
    for serving in servings:
        name, score = serving.shown or ("", 0.0)
        shortlist = shortlists.get(name, ())
        if serving.task in shortlist:
            wanted = 0.5 * shortlist.index(serving.task) / len(shortlist)
            if abs(score - wanted) > 1e-6:
                wrong.append(f"task {serving.task} of version {name}: {score}, not {wanted}")
    return wrong


def intervals(saved: Iterable[Saved]) -> dict[int, list[Interval]]:
    """Task -> when it was held or labelled."""
    taken: dict[int, list[Interval]] = {}
    for row in saved:
        taken.setdefault(row.task, []).append((row.held, row.gone))
    return taken


def _overlap(one: Interval, other: Interval) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
