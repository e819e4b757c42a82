"""Annotations, as Label Studio sends them -> what people answered."""

from collections.abc import Iterator, Mapping, Sequence

from backend.interface.questions import Answer, LabelConfig
from model.spans.tags import Span


def answer_of(result: object, config: LabelConfig) -> Answer | None:
    """What the result of one annotation answers, in the config's order; None for nothing.

    Labels that the config does not know (any more) do not count.
    """
    if not isinstance(result, Sequence) or isinstance(result, str):
        return None
    return config.in_order(_given(result, config)) or None


def _given(result: Sequence[object], config: LabelConfig) -> Iterator[str | Span]:
    """All answers of all regions."""
    asked = {question.from_name: question for question in config.questions}
    for region in result:
        if not isinstance(region, Mapping):
            continue
        question, value = asked.get(str(region.get("from_name"))), region.get("value")
        if question is not None and isinstance(value, Mapping):
            for given in question.control.read(value):
                yield given if isinstance(given, Span) else question.prefix + given
