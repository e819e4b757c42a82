"""What the server and the trainer process say to each other: one JSON object a line.

All messages are frozen dataclasses, and this file alone knows how they are written.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.media.access import Access
from backend.types import Json
from model.dataset.engine import Cluster
from model.types import EncoderSpec, Medium

JobKind = Literal[
    "base",
    "embed",
    "judge",
    "tune",
    "review",
    "draw",
    "copies",
    "encode",
    "rank",
    "cover",
    "take",
    "select",
]


@dataclass(frozen=True)
class Subject:
    """The project that a job is about.

    folder: where all that is known of it is kept; interface: its labelling interface (XML);
    ignored: kinds of media that no encoder reads; spec: the encoder that the settings name for it;
    access: how media are fetched; seed: of everything random; aliases: former names of labels ->
    the names that they have now.
    """

    folder: Path
    interface: str
    ignored: tuple[Medium, ...]
    spec: EncoderSpec
    access: Access
    seed: int
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> LabelConfig:
        """The labelling interface, parsed as the server parses it."""
        return parse(self.interface, self.ignored, self.aliases)


@dataclass(frozen=True)
class AddBase:
    """Add the encoder that the project begins with to its encoders."""

    subject: Subject


@dataclass(frozen=True)
class Embed:
    """Encode everything in the pool that has no vector by `encoder` yet, the names of labels among
    it if `label_names`."""

    subject: Subject
    encoder: int
    label_names: bool


@dataclass(frozen=True)
class Judge:
    """Find out whether the encoder of the earlier project helps. labels: how many there are; the
    rest: the settings of the same names."""

    subject: Subject
    labels: int
    empty_is_none: bool
    label_names: bool


@dataclass(frozen=True)
class Tune:
    """Fine-tune a new encoder on all labels.

    labels: how many there are; asked: identifies the questions and the audit tasks, see
    `EncoderMeta`; the rest: the settings of the same names.
    """

    subject: Subject
    labels: int
    asked: str
    audit_share: float
    empty_is_none: bool
    label_names: bool


@dataclass(frozen=True)
class Review:
    """Look for labels to check after the deep round that made `encoder`."""

    subject: Subject
    encoder: int
    empty_is_none: bool


@dataclass(frozen=True)
class Draw:
    """Draw a map of the pool from the vectors by `encoder`."""

    subject: Subject
    encoder: int


@dataclass(frozen=True)
class FindCopies:
    """Look for near copies in the pool, also by the vectors of `encoder` if that was not tuned."""

    subject: Subject
    encoder: int


@dataclass(frozen=True)
class EncodeItems:
    """Encode the items of the project's dataset that have no vector by `encoder` yet, here or on a
    cluster."""

    subject: Subject
    encoder: int
    cluster: Cluster | None = None


@dataclass(frozen=True)
class RankItems:
    """Choose the items of the dataset to import next.

    encoder: by whose vectors; None while there is none; version: whose head ranks, "" while there
    is none; size: how many items; cluster: what helps with a large dataset; the rest: the settings
    of the same names.
    """

    subject: Subject
    encoder: int | None
    version: str
    size: int
    strategy: str
    audit_share: float
    guard: bool
    empty_is_none: bool
    cluster: Cluster | None = None


@dataclass(frozen=True)
class CoverItems:
    """Say what a version can label by itself of the dataset. precision, confidence: of the promise;
    the rest: the settings of the same names."""

    subject: Subject
    version: str
    precision: float
    confidence: float
    audit_share: float
    empty_is_none: bool


@dataclass(frozen=True)
class TakeIn:
    """Add to the dataset what was sent to the server, and what has come to a watched address."""

    subject: Subject


@dataclass(frozen=True)
class SelectArrivals:
    """Keep some of the items that have arrived at the dataset for people, and pass the others by.
    encoder, version and the rest: as in RankItems."""

    subject: Subject
    encoder: int | None
    version: str
    strategy: str
    audit_share: float
    guard: bool
    empty_is_none: bool


AboutItems = EncodeItems | RankItems | CoverItems | TakeIn | SelectArrivals
Request = AddBase | Embed | Judge | Tune | Review | Draw | FindCopies | AboutItems
KINDS: dict[JobKind, type[Request]] = {
    "base": AddBase,
    "embed": Embed,
    "judge": Judge,
    "tune": Tune,
    "review": Review,
    "draw": Draw,
    "copies": FindCopies,
    "encode": EncodeItems,
    "rank": RankItems,
    "cover": CoverItems,
    "take": TakeIn,
    "select": SelectArrivals,
}


@dataclass(frozen=True)
class Working:
    """Work on this job has begun, or goes on: the process does not hang."""

    job: int


@dataclass(frozen=True)
class Advanced:
    """This share of the job is done, in [0, 1]."""

    job: int
    share: float


@dataclass(frozen=True)
class Done:
    """The job is done; `facts` are for the log."""

    job: int
    facts: Json


@dataclass(frozen=True)
class Failed:
    """The job failed for this reason, a sentence for people."""

    job: int
    reason: str


Answer = Working | Advanced | Done | Failed
"""Each says which job it is about: an urgent one may be done in the middle of another."""

EVENTS: dict[str, type[Answer]] = {
    "working": Working,
    "advanced": Advanced,
    "done": Done,
    "failed": Failed,
}


def kind_of(request: Request) -> JobKind:
    """The short name of the job that is asked for."""
    return next(kind for kind, one in KINDS.items() if isinstance(request, one))


def request_line(job: int, request: Request) -> str:
    """The request as a line, without its end; `job` is the number that the answers will name."""
    values = {"message": kind_of(request), "job": job, **asdict(request)}
    return json.dumps(values, default=os.fspath)


def request_of(line: str) -> tuple[int, Request]:
    """The job's number and the request that were written as this line."""
    values = json.loads(line)
    job, kind = values.pop("job"), KINDS[values.pop("message")]
    if values.get("cluster") is not None:
        values["cluster"] = Cluster(**values["cluster"])
    return job, kind(**{**values, "subject": _subject_of(values["subject"])})


def answer_line(answer: Answer) -> str:
    """The answer as a line, without its end."""
    name = next(name for name, one in EVENTS.items() if isinstance(answer, one))
    return json.dumps({"message": name, **asdict(answer)})


def answer_of(line: str) -> Answer:
    """The answer that was written as this line. Raises ValueError when it is cut off."""
    values = json.loads(line)
    return EVENTS[values.pop("message")](**values)


def _subject_of(values: dict[str, Any]) -> Subject:
    spec, access = values["spec"], values["access"]
    return Subject(
        folder=Path(values["folder"]),
        interface=values["interface"],
        ignored=tuple(values["ignored"]),
        aliases=values["aliases"],
        spec=EncoderSpec(**{**spec, "layout": tuple(spec["layout"])}),
        access=Access(
            **{
                **access,
                "hosts": tuple(access["hosts"]),
                "headers": tuple((name, value) for name, value in access["headers"]),
            }
        ),
        seed=values["seed"],
    )
