"""What a project asks: questions with their labels, and the data that tasks show."""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal

from backend.interface.controls.choices import Choices
from backend.interface.controls.control import Called, Control
from backend.interface.objects.object_tag import ObjectTag
from backend.interface.values import Repeat, is_filled_in_by_pages, keys_in
from model.boxes.geometry import Box
from model.spans.pieces import Rules, rules_of
from model.spans.tags import Attribute, Span, tag_names
from model.types import (
    MARKED,
    MOST_CANDIDATES,
    OF_LISTS,
    Condition,
    Kind,
    LabelGroup,
    Layout,
    Medium,
)

MOST_NAMED_NODES = 1_000
"""Of a taxonomy with more nodes, only those that annotators used are learnt, whatever their names:
a head for all of them would slow down each round."""

Answer = tuple[str | Span | Box, ...]
"""What somebody answers: labels, in the config's order, then spans, in the order of the text, or
boxes, in the order of the pictures."""


@dataclass(frozen=True)
class Source:
    """What annotators see: an object tag, and its `value`, which is filled in with the task's data.
    repeat: the <Repeater> around the tag, if any; side: which of two things that are compared it
    is, or that it is a list of things, "" for what is beside them."""

    shown: ObjectTag
    value: str
    repeat: Repeat | None = None
    side: Literal["", "left", "right", "list"] = ""

    @property
    def medium(self) -> Medium:
        """What an encoder reads of it."""
        return self.shown.medium

    def identity(self) -> tuple[object, ...]:
        """What is read in another way has another one. It is stored."""
        kind, *others = self.shown.identity()
        repeat = astuple(self.repeat) if self.repeat else None
        return (kind, self.value, *others, repeat, *((self.side,) if self.side else ()))

    @property
    def keys(self) -> list[str]:
        """Where in a task's data it is, such as `text` or `meta.author`."""
        return keys_in(self.repeat.on if self.repeat else self.value)


@dataclass(frozen=True)
class Question:
    """What one control tag asks about a task.

    `answers` are what Label Studio stores: a choice's alias if it has one. `prefix` precedes them
    in `labels`, and in the labels of spans, if several questions are asked. `control` reads and
    writes them.

    called: what annotators see of each answer; {} if that has no words, as with stars.
    conditions: on the answers to other questions, all of which must hold where it is asked.
    aliases: former names of answers -> the answers. limits: answers -> how often each may be given
    in one task, where there is a limit; most: of all answers together, None for no limit.
    of_label_only: the label of the spans about which it is asked, None: about all, or about none.
    """

    from_name: str
    to_name: str
    kind: Kind
    answers: tuple[str, ...]
    control: Control[Any] = field(default_factory=Choices)
    prefix: str = ""
    called: Mapping[str, Called] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    most: int | None = None
    of_label_only: str | None = None

    def __str__(self) -> str:
        """As sentences name it."""
        return f"{self.control.tag} '{self.from_name}'"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The answers with the prefix, unique among all questions."""
        return tuple(self.prefix + answer for answer in self.answers)

    @cached_property
    def of_label(self) -> dict[str, str]:
        """The answer that each label stands for."""
        return dict(zip(self.labels, self.answers, strict=True))

    @property
    def limits_of_labels(self) -> dict[str, int]:
        """`limits` by label."""
        return {self.prefix + answer: most for answer, most in self.limits.items()}

    def depends_on(self, labels: Mapping[str, Set[str]]) -> bool:
        """Whether a condition is about the labels of another of these questions."""
        wanted = {label for condition in self.conditions for label in condition.labels}
        return any(
            not wanted.isdisjoint(theirs)
            for name, theirs in labels.items()
            if name != self.from_name
        )

    def learnable(self, given: Set[str], named: Set[str] = frozenset()) -> tuple[str, ...]:
        """The labels to learn when some were `given` and the `named` have usable names: in a
        taxonomy exactly these, else all labels as soon as there is one of these."""
        if self.kind == "spans":
            return self.labels  # that a text has none is an answer, too
        is_in_parts = self.control.is_learnt_in_parts
        if is_in_parts and len(self.labels) > MOST_NAMED_NODES:
            named = frozenset()
        known = tuple(label for label in self.labels if label in given or label in named)
        return known if is_in_parts or not known else self.labels


@dataclass(frozen=True)
class LabelConfig:
    """What the project asks and shows: the labelling interface, parsed.

    `sources`: what is shown, starting with what the first question refers to; a task may lack some.
    `left_out`: what else people are asked, and why it is left to them, in words; `others`: the
    names of those control tags. about_spans: questions about each span that people mark.
    """

    questions: tuple[Question, ...]
    sources: tuple[Source, ...]
    left_out: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()
    about_spans: tuple[Question, ...] = ()

    @property
    def unseen(self) -> tuple[str, ...]:
        """The values that Label Studio's pages do not fill in, so that annotators see `$文本`."""
        return tuple(one.value for one in self.sources if not is_filled_in_by_pages(one.value))

    @property
    def unshown(self) -> dict[str, str]:
        """The tags that the pages of the free Label Studio do not know, and what shows the same."""
        shown = (one.shown for one in self.sources)
        return {tag.tag: tag.instead for tag in shown if tag.instead}

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels of all questions, in order."""
        return tuple(label for question in self.questions for label in question.labels)

    @cached_property
    def in_turn(self) -> tuple[Question, ...]:
        """The questions in an order in which each follows those that it depends on."""
        found: list[Question] = []
        left = list(self.questions)
        while left:
            open_labels = {one.from_name: set(one.labels) for one in left}
            ready = [one for one in left if not one.depends_on(open_labels)]
            found += ready or left  # in a circle, none follows another
            left = [one for one in left if one not in ready] if ready else []
        return tuple(found)

    @cached_property
    def kind(self) -> Kind:
        """The kind of all labels together; `spans` where spans are asked for beside others."""
        if len(self.questions) == 1 or self.marking is not None:
            return (self.marking or self.questions[0]).kind
        return "multiple"

    @cached_property
    def marking(self) -> Question | None:
        """The question that asks for spans, if any."""
        return next((one for one in self.questions if one.kind == "spans"), None)

    @cached_property
    def span_labels(self) -> tuple[str, ...]:
        """The labels of spans."""
        return () if self.marking is None else self.marking.labels

    @cached_property
    def rules(self) -> Rules:
        """How spans are learnt of what tasks show."""
        limits = {} if self.marking is None else self.marking.limits_of_labels
        return replace(rules_of(self.layout), limits=limits)

    @cached_property
    def whole(self) -> "LabelConfig | None":
        """The same with only the questions about whole tasks, where there are any beside the one
        that asks for spans; None where there are none, or nothing else."""
        others = tuple(one for one in self.questions if one is not self.marking)
        return replace(self, questions=others) if self.marking and others else None

    @cached_property
    def about(self) -> "LabelConfig | None":
        """The same with only the questions about spans, None where there are none."""
        return (
            replace(self, questions=self.about_spans, about_spans=()) if self.about_spans else None
        )

    @cached_property
    def reads_text(self) -> bool:
        """Whether annotations can only be read beside what the task shows."""
        return any(question.control.reads_text for question in self.questions)

    @cached_property
    def places(self) -> dict[str, int]:
        """Each label's index in `labels`."""
        return {label: place for place, label in enumerate(self.labels)}

    @cached_property
    def asked(self) -> dict[str, Question]:
        """The questions by the names of their control tags, also those about spans."""
        return {one.from_name: one for one in (*self.questions, *self.about_spans)}

    @cached_property
    def attribute_places(self) -> dict[str, int]:
        """The index of each answer about spans among all of these."""
        labels = (label for question in self.about_spans for label in question.labels)
        return {label: place for place, label in enumerate(labels)}

    @property
    def head_labels(self) -> tuple[str, ...]:
        """The classes of a head: the labels, the tags of tokens, or of proposals."""
        if self.kind == "boxes":
            return ("", *self.labels)
        return tag_names(self.span_labels) if self.kind == "spans" else self.labels

    def are_spans_asked(self, answer: Answer) -> bool:
        """Whether spans are asked for beside this answer about the whole task."""
        conditions = () if self.marking is None else self.marking.conditions
        given = set(labels_in(answer)) if conditions else set()
        return all(condition.holds(given) for condition in conditions)

    def in_order(self, given: Iterable[str | Span | Box]) -> Answer:
        """The given labels that exist, in the order of `labels`; then the spans and boxes with an
        existing label, in the order of the text or the pictures, and what is said of spans."""
        if self.kind in MARKED:
            some = tuple(set(given))
            spans = [span for span in sorted(spans_in(some)) if span.label in self.places]
            boxes = [
                box for box in sorted(boxes_in(some)) if box.label in self.places or not box.label
            ]
            labels = set(labels_in(some)) & self.places.keys()
            about = (one for one in attributes_in(some) if one.label in self.attribute_places)
            return (*sorted(labels, key=self.places.__getitem__), *spans, *boxes, *sorted(about))
        return tuple(sorted(self.places.keys() & set(given), key=self.places.__getitem__))

    def of_labels(self, labels: Collection[str]) -> "LabelConfig":
        """The same questions with only these labels; without questions that keep none."""
        wanted = frozenset(labels)
        questions = []
        for question in self.questions:
            kept = tuple(answer for label, answer in question.of_label.items() if label in wanted)
            questions += [replace(question, answers=kept)] if kept else []
        return replace(self, questions=tuple(questions))

    @property
    def is_learnt_in_parts(self) -> bool:
        """Whether only what was given is learnt: answered questions, and the used nodes of a
        taxonomy."""
        return len(self.questions) > 1 or self.questions[0].control.is_learnt_in_parts

    def learnable(self, given: Set[str], named: Set[str] = frozenset()) -> "LabelConfig":
        """The questions with the labels to learn when some were `given` and the `named` have
        usable names; at least one label, without its name if there is nothing to learn."""
        if not self.is_learnt_in_parts:
            return self
        asked = [label for one in self.questions for label in one.learnable(given, named)]
        return self.of_labels(asked) if asked else self.nameless().of_labels(self.labels[:1])

    def nameless(self) -> "LabelConfig":
        """The same without the names of the answers."""
        return replace(
            self, questions=tuple(replace(question, called={}) for question in self.questions)
        )

    @property
    def groups(self) -> tuple[LabelGroup, ...]:
        """The position of each question's labels among all labels; () for a single question."""
        ends = list(accumulate(len(question.labels) for question in self.questions))
        placed = zip(self.questions, [0, *ends], ends, strict=False)
        found = tuple(
            LabelGroup(question.kind, start, stop, question.conditions)
            for question, start, stop in placed
        )
        return found if len(found) > 1 else ()

    @property
    def layout(self) -> Layout:
        """What an encoder reads of a task: all texts together, then each picture, clip and sound;
        after a clip its sound, where that is read. Where spans are marked in a text, the others are
        beside it. Of two things that are compared, the same of the first and then of the second,
        and the texts that are beside them. Of a list, see `model.types.Layout`."""
        if self.has_list:
            one: Layout = ("text",)
            return ("list", *one * MOST_CANDIDATES, "text")
        if self.sources[0].medium == "tokens":
            return ("tokens", "beside") if len(self.sources) > 1 else ("tokens",)
        if self.compares:
            own = _layout_of(one.medium for one in self.sources if one.side == "left")
            beside = _layout_of(one.medium for one in self.sources if not one.side)
            return ("pair", *own, *own, *beside)
        return _layout_of(source.medium for source in self.sources)

    @property
    def compares(self) -> bool:
        """Whether it is asked which of two things is chosen."""
        return self.questions[0].kind == "pair"

    @property
    def has_list(self) -> bool:
        """Whether it is about a list of things that each task has of its own."""
        return self.questions[0].kind in OF_LISTS


def _layout_of(sources: Iterable[Medium]) -> Layout:
    media = list(sources)
    texts: Layout = ("text",) if "text" in media else ()
    return (*texts, *(medium for medium in media if medium != "text"))


def labels_in(answer: Answer) -> tuple[str, ...]:
    """The labels of the whole task in an answer."""
    return tuple(given for given in answer if isinstance(given, str))


def spans_in(answer: Answer) -> tuple[Span, ...]:
    """The spans in an answer, without what is said of them."""
    return tuple(
        given for given in answer if isinstance(given, Span) and not isinstance(given, Attribute)
    )


def attributes_in(answer: Answer) -> tuple[Attribute, ...]:
    """What is said of spans in an answer."""
    return tuple(given for given in answer if isinstance(given, Attribute))


def boxes_in(answer: Answer) -> tuple[Box, ...]:
    """The boxes in an answer."""
    return tuple(given for given in answer if isinstance(given, Box))


def may_be_empty(kind: Kind, empty_is_none: bool) -> bool:
    """Whether an annotation without any result is an answer: for spans and boxes, as a text or a
    picture may have none; for several labels, if `empty_is_none`, a setting, says so."""
    return kind in MARKED or (empty_is_none and kind == "multiple")
