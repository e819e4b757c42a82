"""What labels may be called outside of Label Studio: in a field of the data, by another project."""

from collections.abc import Iterator

from backend.interface.questions import Question


def stored_names(question: Question) -> Iterator[tuple[str, str]]:
    """The answers that Label Studio stores and the labels with their question, each with its
    label."""
    for label, answer in question.of_label.items():
        yield answer, label
        yield label, label


def seen_names(question: Question) -> Iterator[tuple[str, str]]:
    """What annotators see of the answers, each with its label."""
    for label, answer in question.of_label.items():
        if answer in question.called:
            yield question.called[answer].path[-1], label


def former_names(question: Question) -> Iterator[tuple[str, str]]:
    """Former names of the answers that there are, each with its label."""
    for former, answer in question.aliases.items():
        if question.prefix + answer in question.of_label:
            yield former, question.prefix + answer


def folded(name: str) -> str:
    """The name without what does not make another one: case, and spaces around it."""
    return name.strip().casefold()
