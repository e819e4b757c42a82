"""What the model can label by itself of a dataset: the trainer computes it from time to time; the
status page and the advice when to stop say it.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from backend.dataset.record import folder_of, write_whole
from model.storage.damage import Damaged, json_of

FILE = "coverage.json"


@dataclass(frozen=True)
class Coverage:
    """As one version has it, after `labels` labels of which `audits` are audit labels. items: how
    many items have a vector and no label by people; left_out: how many have neither; outlook: see
    model.finishing.outlook.Outlook.to_json, with names in place of the questions' numbers; made_at:
    Unix time."""

    version: str
    labels: int
    audits: int
    items: int
    left_out: int
    outlook: dict[str, Any]
    made_at: float


def read_coverage(project: Path, precision: float, confidence: float) -> Coverage | None:
    """None before there is any for this goal, and where it is damaged: it is computed again."""
    try:
        values = json_of(folder_of(project) / FILE)
        found = Coverage(**{one.name: values[one.name] for one in fields(Coverage)})
        goal = found.outlook["precision"], found.outlook["confidence"]
    except (FileNotFoundError, Damaged, KeyError):
        return None
    return found if goal == (precision, confidence) else None


def write_coverage(project: Path, coverage: Coverage) -> None:
    write_whole(folder_of(project) / FILE, asdict(coverage))
