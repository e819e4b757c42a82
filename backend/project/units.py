"""The units that people can label."""

from backend.interface.questions import LabelConfig
from backend.project.spans import Spans
from backend.project.unit import Unit
from backend.project.whole_tasks import WholeTasks
from model.storage.store import Store


def unit_of(store: Store, config: LabelConfig) -> Unit:
    """What the labelling config has people label."""
    if config.kind == "boxes":
        from backend.project.boxes import Boxes  # noqa: PLC0415 (most projects have none)

        return Boxes(store, config)
    return Spans(store, config) if config.kind == "spans" else WholeTasks(store, config)
