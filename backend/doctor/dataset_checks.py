"""A project's pool outside of Label Studio; see backend.doctor.server_checks. What the status page
says of it, too, is said in the same words."""

from backend.dataset.adding import RENAME
from backend.dataset.rows import listed
from backend.doctor.dataset_probes import DatasetSeen
from backend.doctor.finding import Finding
from backend.doctor.observation import Observation
from backend.types import Json
from model.dataset.sizes import ADD_AGAIN


def _said(seen: Observation) -> Json:
    """What the server says of the dataset; {} where it says nothing."""
    return seen.state.get("dataset") or {}


def _here(seen: Observation) -> DatasetSeen | None:
    """The dataset, if its files are here and can be read."""
    found = seen.dataset
    return None if found is None or found.record is None else found


def dataset(seen: Observation) -> Finding | None:
    said = _said(seen)
    if not said:
        return _unknown(seen)
    sentence = f"{said['address']}: {said['sentence'].rstrip('.')}"
    if not said["broken"]["count"]:
        return Finding("dataset", "ok", sentence)
    return Finding(
        "dataset",
        "hint",
        sentence,
        "None needed if people label these. Else correct the rows, take the dataset away and add "
        "it again, under the same ids: tasks and labels stay",
    )


def _unknown(seen: Observation) -> Finding | None:
    """The server knows nothing of the dataset that is here."""
    if seen.dataset is None or "sentence" not in seen.state or seen.dataset.damage:
        return None
    return Finding(
        "dataset",
        "hint",
        f"The server has not looked at the dataset in {seen.dataset.folder} yet",
        "Wait until it has read all tasks, or give the doctor the MODEL_DIR of the server",
    )


def parts(seen: Observation) -> Finding | None:
    found = seen.dataset
    if found is None:
        return None
    if found.damage:
        return Finding(
            "dataset files", "wrong", found.damage.removesuffix(f". {ADD_AGAIN}"), ADD_AGAIN
        )
    if found.record is None:
        return Finding(
            "dataset files",
            "hint",
            f"The files of the dataset are not in MODEL_DIR={found.folder} here, so they, the "
            "place that they came from and the columns are not checked",
            "Run the doctor where the server runs, with its MODEL_DIR",
        )
    return Finding("dataset files", "ok", _about_parts(found.record.part_count, found.read))


def _about_parts(count: int, read: int) -> str:
    if read < count:
        return f"All of its {count} parts are there; {read} of them were read and are whole"
    return "Its one part is whole" if count == 1 else f"All of its {count} parts are whole"


def source(seen: Observation) -> Finding | None:
    found = _here(seen)
    if found is None or found.record is None:
        return None
    if not found.source:
        return Finding("source", "ok", f"{found.record.address} is there, to add more from")
    return Finding(
        "source",
        "hint",
        f"Nothing more can be added: {found.source}",
        "None needed if nothing is to be added: the rows were copied",
    )


def columns(seen: Observation) -> Finding | None:
    found = _here(seen)
    if found is None or not found.items:
        return None
    if not found.lacking:
        shows = "The labelling interface shows columns that the dataset has"
        return Finding("columns", "ok", shows)
    lacking = max(found.lacking, key=lambda one: found.lacking[one])
    return Finding(
        "columns",
        "wrong",
        f"The labelling interface shows ${lacking}, which {_without(found, lacking)}; the first "
        f"has {listed(found.columns)}. People see nothing there",
        RENAME,
    )


def _without(found: DatasetSeen, column: str) -> str:
    count, of = found.lacking[column], f"{found.items:,} items that were looked at"
    return f"none of the {of} has" if count == found.items else f"{count:,} of the {of} do not have"


def open_tasks(seen: Observation) -> Finding | None:
    said = _said(seen)
    if not said:
        return None
    if said["waits"]:
        return Finding(
            "open tasks",
            "wrong",
            said["waits"],
            "Raise OPEN_TASKS, or delete the tasks that need no label",
        )
    return Finding("open tasks", "ok", "There is room for items of the dataset")


def disk(seen: Observation) -> Finding | None:
    said = _said(seen)
    if not said or not said["is_ranked"]:
        return None
    lacks = said["shortage"]
    if not lacks:
        return Finding("disk", "ok", "There is room for the vectors of the dataset")
    return Finding("disk", "wrong" if lacks["is_now"] else "hint", lacks["sentence"], lacks["fix"])


def cluster(seen: Observation) -> Finding | None:
    found = None if seen.dataset is None else seen.dataset.cluster
    if found is None:
        return None
    if not found:
        return Finding("ray", "ok", "The Ray cluster answers, and has room for a worker")
    return Finding(
        "ray",
        "wrong",
        found,
        "Do what it says; without RAY_ADDRESS the trainer does the work alone",
    )
