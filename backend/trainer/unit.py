"""What the trainer must know of what people label: whole tasks, or spans of their texts."""

from collections.abc import Sequence
from typing import Protocol

from backend.interface.questions import Answer, LabelConfig
from backend.media.contents import TaskContents
from backend.trainer.report import Report
from backend.trainer.spans import Spans
from backend.trainer.told import Reviewed
from backend.trainer.whole_tasks import WholeTasks
from backend.types import Json
from model.encoders.finetune import Examples
from model.encoders.joint import JointEncoder
from model.types import Floats, Ints

Pair = tuple[str, ...]
"""Two labels in place of each other; "" for none."""


class TrainingUnit(Protocol):
    """What is labelled in a project. Made with the labelling config of what is learnt."""

    def examples(
        self, encoder: JointEncoder, shown: TaskContents, answers: Sequence[Answer]
    ) -> Examples:
        """What the tasks show, with the targets to fine-tune on."""

    def reviewed(self, ids: Ints, seed: int) -> Ints:
        """The tasks to review: all, or a random sample where all would fill the memory."""

    def compared(self, open_ids: Ints, labelled: int, seed: int) -> Ints:
        """Some of the tasks without a label, drawn at random, to compare with this many labelled
        ones; none where nothing is compared."""

    def doubts(self, encoder: JointEncoder, reviewed: Reviewed, seed: int, report: Report) -> Json:
        """`tasks`: the most doubted labels, each with `task`, `doubt`, `given` and `said`;
        `confusions`: what is taken for what. Both empty while there are too few labels to say.
        `encoder`: the pretrained one.

        Of whole tasks also `hard`, of the same form; `annotators`, see backend.trainer.annotators;
        `again`, see backend.trainer.second; `known`, for the mirror."""

    def belief(
        self,
        encoder: JointEncoder,
        shown: TaskContents,
        answers: Sequence[Answer],
        seed: int,
        report: Report,
    ) -> Floats:
        """How much heads on this encoder believe labels that they have not learnt: log
        probabilities (n,), at most 0, of each text, of several questions of each that has enough
        answers, or [0] if none has. Names count, where the labelling config has any. There are at
        least 2 * FOLDS tasks."""

    def differences(self, answers: Sequence[Answer]) -> list[Pair]:
        """The pairs of labels in which the answers to one task differ, each once, always in the
        same order."""

    def agree(self, answers: Sequence[Answer]) -> bool:
        """Whether all answers to one task are the same."""

    def readable(self, answer: Answer) -> list[str]:
        """An answer in words, for the status page."""


def unit_of(config: LabelConfig) -> TrainingUnit:
    """What the labelling config has people label."""
    if config.kind == "boxes":
        from backend.trainer.boxes import Boxes  # noqa: PLC0415 (most projects have none)

        return Boxes(config)
    return Spans(config) if config.kind == "spans" else WholeTasks(config)
