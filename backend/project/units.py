"""The units that people can label, in a table."""

from backend.interface.questions import LabelConfig
from backend.project.spans import Spans
from backend.project.unit import Texts, Unit
from backend.project.whole_tasks import WholeTasks
from model.storage.store import Store


def unit_of(store: Store, config: LabelConfig, texts: Texts) -> Unit:
    """What the labelling config has people label."""
    kind = {"spans": Spans}.get(config.kind, WholeTasks)
    made: Unit = kind(store, config, texts)
    return made
