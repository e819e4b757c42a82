"""What the status page shows of a project besides its state: curve, scores, versions, reasons."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.folder.past import FILE, past_of
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.certification import said_elsewhere, seen
from backend.project.history import Outside, outside_of, reasons
from backend.project.pin import pinned_name
from backend.project.reasons import reasons_of
from backend.project.versions import labels_of_the_lot, least_confidence
from backend.settings import Settings
from backend.types import Json
from backend.web.pages.budget import budget_of
from backend.web.pages.finishing import NOTHING, can_prove, finishing_of
from backend.words import exactly, roughly
from model.measuring.savings import labels_saved
from model.measuring.stopping import DEFAULT_METRIC, METRIC_NAMES, name_of
from model.storage.store import Store, version_key
from model.types import MARKED

if TYPE_CHECKING:
    from backend.project.status import Served

SHOWN = 5
"""Versions that are shown at first, besides each encoder's last."""

SHOWN_LABELS = 50
"""At most this many labels are listed: a taxonomy may have thousands."""

LEAST_EXAMPLES = 5
"""The curve starts at this many audit labels: with fewer it jumps between 0 and 1."""


NOTHING_YET: Json = {
    "metric": METRIC_NAMES["accuracy"],
    "measured": None,
    "pinned": None,
    "saved": None,
    "sources": [],
    "least_confidence": 0.0,
    "curve": [],
    "fit": [],
    "by_label": {},
    "labels_in_all": 0,
    "reasons": [],
    "finishing": NOTHING,
    "can_prove": False,
    "asks_first": False,
    "certified": "",
    "picked": {"waiting": 0, "labels": 0},
    "next": [],
    "goals": [],
    "budget": None,
    "versions": [],
}
"""The report on a project that serves no version."""


def report(folder: Path, settings: Settings, served: "Served | None") -> Json:
    """Everything that the page shows beside the state, ready for JSON.

    metric: the name of the metric that the curve shows; curve: rows of `labels`, `value`, `low`,
    `high`; fit: see `fit_of`; measured: the metric of the served version, or None; by_label: its
    precision, recall and support, of boxes also average_precision, for the SHOWN_LABELS labels with
    the most support, of all labels (labels_in_all); saved: the least and the most labels that the
    order saved, or None, see `saved`; sources: of weak labels, see
    `model.weak_labels.SourceFigures`; least_confidence: see `confidence_needed`; reasons: why
    labelling may stop; finishing: what the model can label by itself, see `finishing_of`;
    can_prove: whether audit labels may be asked for first to prove it; asks_first: whether that
    goes on; certified: how the last time ended, or "";
    picked: how many of the tasks that people chose wait, and how many labels are of such; next: the
    next tasks, see `reasons_of`;
    goals: those that are set, each with its state, in a sentence; budget: see `budget_of`;
    versions: newest first; pinned: a version's name, or None. Reads the history, not the versions:
    there may be thousands of them.
    """
    if served is None:
        return NOTHING_YET
    past = past_of(folder / FILE)
    asks_first, certified = seen(folder)
    instead, beyond = said_elsewhere(folder), outside_of(folder, settings)
    covered = None if beyond is None else beyond.coverage
    metric = metric_of(served, settings)
    measured = served.version.facts.validation
    return {
        "metric": name_of(metric, served.config.kind),
        "measured": measured.get(metric),
        "pinned": pinned_name(folder),
        "saved": saved(served),
        "sources": list(served.version.facts.sources),
        "least_confidence": confidence_needed(served),
        "curve": curve_of(past.rows, metric),
        "fit": fit_of(past.rows),
        "by_label": best_known(measured.get("labels", {})),
        "labels_in_all": len(measured.get("labels", {})),
        "reasons": [one.sentence for one in reasons(past, settings, beyond)],
        "finishing": finishing_of(served, settings, instead, covered),
        "can_prove": can_prove(served) and not instead,
        "asks_first": asks_first,
        "certified": certified,
        **_next(folder, served),
        "goals": goals_of(served, settings, metric, beyond),
        "budget": budget_of(served.version.facts, settings),
        "versions": versions_of(past.newest, served.store, metric),
    }


def _next(folder: Path, served: "Served") -> Json:
    """What is asked for next, and how many tasks people chose."""
    labels, path = served.version.facts.picked_labels, folder / MIRROR
    if not path.is_file():  # opening would make it, and the server takes up what has one
        return {"picked": {"waiting": 0, "labels": labels}, "next": []}
    with closing(Pool(path)) as pool:
        waiting = len(pool.picks.waiting())
        return {
            "picked": {"waiting": waiting, "labels": labels},
            "next": reasons_of(served, pool),
        }


def goals_of(
    served: "Served", settings: Settings, metric: Any, beyond: Outside | None
) -> list[str]:
    """The goals of quality that are set, and what is reached; `budget_of` has the others. beyond:
    the dataset, if the project has one."""
    facts, goals = served.version.facts, []
    if settings.goal_score:
        measured = facts.validation.get(metric)
        low = "not measured yet" if measured is None else f"at least {measured['low']:.2f} now"
        goals.append(
            f"Goal: {name_of(metric, served.config.kind)} of {settings.goal_score:g}; {low}"
        )
    if settings.goal_coverage:
        outlook = facts.outlook
        if beyond is not None:
            outlook = {} if beyond.coverage is None else beyond.coverage.outlook
        coverage = outlook.get("coverage")
        now = "nothing is known yet" if coverage is None else f"{roughly(coverage)} now"
        what = "open tasks" if beyond is None else "dataset"
        goals.append(
            f"Goal: the model can label {roughly(settings.goal_coverage)} of the {what} by itself "
            f"at {exactly(settings.goal_precision)} precision; {now}"
        )
    return goals


def saved(served: "Served") -> tuple[int, int] | None:
    """`labels_saved` where whole texts are labelled, as in the data sets that it rests on."""
    is_alike = served.config.layout == ("text",)
    return labels_saved(labels_of_the_lot(served.version)) if is_alike else None


def confidence_needed(served: "Served") -> float:
    """The least probability at which a label is pre-annotated; 0 where there is no such limit."""
    if served.version.head is None or served.config.kind in MARKED:
        return 0.0
    return least_confidence(served.version)


def best_known(by_label: Json) -> Json:
    """The figures of the SHOWN_LABELS labels with the most audit labels, in their order."""
    by_support = sorted(by_label, key=lambda label: -int(by_label[label]["support"]))
    shown = set(by_support[:SHOWN_LABELS])
    return {label: one for label, one in by_label.items() if label in shown}


def metric_of(served: "Served", settings: Settings) -> Any:
    """The metric that is shown: GOAL_METRIC, or the default for this kind of labels."""
    if settings.goal_metric != "auto":
        return settings.goal_metric
    return DEFAULT_METRIC[served.config.kind]


def curve_of(rows: list[Json], metric: str) -> list[Json]:
    """The metric by the number of labels, from comparable rows of the history; of several versions
    with the same number of labels, the newest."""
    points = {
        row["labels"]: {"labels": row["labels"], **row["measured"][metric]}
        for row in rows
        if metric in row["measured"] and row["measured"][metric]["examples"] >= LEAST_EXAMPLES
    }
    return [points[labels] for labels in sorted(points)]


def fit_of(rows: list[Json]) -> list[Json]:
    """Micro-F1 and log-loss on the labels that were learnt (`train`) and on the audit labels
    (`validation`, from LEAST_EXAMPLES of them on), by the number of labels."""
    points = {}
    for row in rows:
        fit = dict(row.get("fit") or {})
        examples = min((one["examples"] for one in row["measured"].values()), default=0)
        if examples < LEAST_EXAMPLES:
            fit.pop("validation", None)
        if fit:
            points[row["labels"]] = {"labels": row["labels"], **fit}
    return [points[labels] for labels in sorted(points)]


def versions_of(newest: list[Json], store: Store, metric: str) -> list[Json]:
    """The last versions, newest first. can_serve: whether people can go back to it; is_shown:
    whether it is shown at first, or only in the full list."""
    stored, encoders = set(store.version_names()), store.encoders()
    rows = newest[::-1]
    last = {version_key(row["version"])[0]: row["version"] for row in newest}
    return [
        {
            "is_shown": place < SHOWN or row["version"] in last.values(),
            "name": row["version"],
            "made": datetime.fromtimestamp(row["created_at"]).strftime("%Y-%m-%d %H:%M"),
            "labels": row["labels"],
            "score": row["measured"].get(metric),
            "can_serve": row["kind"] is not None
            and row["version"] in stored
            and version_key(row["version"])[0] in encoders,
        }
        for place, row in enumerate(rows)
    ]
