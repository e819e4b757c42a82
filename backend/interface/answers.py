"""From annotations, as Label Studio sends them, to answers."""

from collections.abc import Iterator, Mapping, Sequence

from backend.interface.questions import Answer, LabelConfig
from model.spans.tags import Span


def answer_of(result: object, config: LabelConfig) -> Answer | None:
    """The answer in the result of one annotation, in the config's order; None if there is none.

    Labels that the config does not have (any more) are left out.
    """
    if not isinstance(result, Sequence) or isinstance(result, str):
        return None
    return config.in_order(_answers_in(result, config)) or None


def _answers_in(result: Sequence[object], config: LabelConfig) -> Iterator[str | Span]:
    """The answers in all regions."""
    asked = {question.from_name: question for question in config.questions}
    for region in result:
        if not isinstance(region, Mapping):
            continue
        question, value = asked.get(str(region.get("from_name"))), region.get("value")
        if question is not None and isinstance(value, Mapping):
            for answer in question.control.read(value):
                yield answer if isinstance(answer, Span) else question.prefix + answer
