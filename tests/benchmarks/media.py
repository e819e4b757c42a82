"""Pictures or clips labelled live, in a real Label Studio: order, refresh and F1 against random.

    python -m tests.benchmarks.media pictures TRAIN.tar --label-studio BIN --image-encoder FOLDER
    python -m tests.benchmarks.media clips TRAIN.tar --label-studio BIN --image-encoder FOLDER

TRAIN.tar holds CLASS/NAME.jpg. `pictures`: one label each; `clips`: three seconds of one to three
pictures, panned over, with the labels of all of them. Labels are submitted through the API from
what is true. Prints one JSON line as `make demo` does; `f1_random`: the mean of the same learner on
as many random tasks, with the encoder as it comes, and fine-tuned where the served one is.
"""

import json
import tarfile
import tempfile
import threading
import time
from argparse import ArgumentParser
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
from PIL import Image

from backend.dev import local
from backend.interface.content import key_of, parts_of
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.mirror.targets import targets_of
from backend.studio.api import Studio
from backend.types import Json
from model.encoders.finetune import Examples, finetune
from model.encoders.joint import Example, JointEncoder
from model.heads.head import Head, fit_head
from model.heads.thresholds import fit_thresholds
from model.measuring.metrics import macro_f1
from model.media.pictures import read_picture
from model.snapshot import pool_centre
from model.storage.store import Store, Version
from model.types import EncoderSpec, Floats, Ints
from tests.studio.bench import Bench, until

DRAWS_HEAD, DRAWS_DEEP = 20, 3
RATE, SHOWN, SIDE = 10, 10, 64
"""Of the clips: frames a second, frames that a picture is shown, pixels."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Not a line for each picture."""


def unpacked(tar: Path, folder: Path, most: int, seed: int) -> list[tuple[Path, str]]:
    """Pictures drawn by lot, with their class."""
    with tarfile.open(tar) as archive:
        members = [one for one in archive.getmembers() if one.isfile()]
        drawn = np.random.default_rng(seed).permutation(len(members))[:most]
        chosen = [members[place] for place in drawn]
        archive.extractall(folder, chosen, filter="data")
    return [(folder / one.name, Path(one.name).parent.name) for one in chosen]


def write_clip(path: Path, pictures: list[Image.Image]) -> None:
    """A slow pan over each of the pictures in turn."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for picture in pictures:
            large = picture.resize((SIDE + SHOWN, SIDE + SHOWN))
            for shift in range(SHOWN):
                shown = np.asarray(large.crop((shift, shift, shift + SIDE, shift + SIDE)))
                frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode())


def clips(
    pictures: list[tuple[Path, str]], folder: Path, count: int, seed: int
) -> list[tuple[Path, list[str]]]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        rows = rng.choice(len(pictures), rng.integers(1, 4), replace=False)
        chosen = [pictures[row] for row in rows]
        path = folder / f"{number}.mp4"
        write_clip(path, [Image.open(file).convert("RGB") for file, _ in chosen])
        made.append((path, sorted({label for _, label in chosen})))
    return made


def interface(what: str, labels: list[str]) -> str:
    shown = "Image" if what == "pictures" else "Video"
    kind = "single" if what == "pictures" else "multiple"
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    return (
        f'<View><{shown} name="text" value="$media"/><Choices name="topic" toName="text" '
        f'choice="{kind}" required="true">{choices}</Choices></View>'
    )


class Play:
    """One project, labelled from what is true."""

    def __init__(self, bench: Bench, project: int, config: LabelConfig, folder: Path) -> None:
        self.bench, self.project, self.config, self.folder = bench, project, config, folder
        tasks = list(bench.studio.of(project).tasks())
        self.truth = {task["id"]: tuple(task["data"]["labels"]) for task in tasks}
        self.files = {task["id"]: folder / task["data"]["file"] for task in tasks}
        self.keys = {task["id"]: key_of(parts_of(task["data"], config) or ()) for task in tasks}
        self.labelled: list[int] = []
        self.refreshes: list[float] = []
        self.out_of_order = 0

    def label_next(self) -> None:
        task, is_in_order = self.bench.next_in_order(self.project)
        self.out_of_order += not is_in_order
        self.bench.submit(task, list(self.truth[task["id"]]))
        submitted = time.monotonic()
        self.bench.until_learnt(self.project, task["id"])
        self.refreshes.append(time.monotonic() - submitted)
        self.labelled.append(task["id"])

    def version(self) -> Version:
        version = self.bench.version(self.project)
        assert version is not None
        return version

    def targets(self, ids: Ints) -> Floats:
        return targets_of([self.truth[task] for task in ids.tolist()], self.config.labels)

    def vectors(self, encoder: int, ids: Ints) -> Floats:
        found = Store(self.bench.models / str(self.project)).vectors(encoder)
        return found.take(found.rows(self.keys_of(ids)))

    def score(self, head: Head, vectors: Floats, ids: Ints) -> float:
        return macro_f1(head.answers(head.probs(vectors)), self.targets(ids) > 0)

    def f1(self) -> float:
        ids = np.array(sorted(set(self.truth) - set(self.labelled)), dtype=np.int64)
        version = self.version()
        assert version.head is not None
        return self.score(version.head, self.vectors(version.encoder, ids), ids)

    def f1_random(self) -> tuple[float, int]:
        store = Store(self.bench.models / str(self.project))
        version = self.version()
        meta = store.encoders()[version.encoder]
        draws = DRAWS_DEEP if meta.report else DRAWS_HEAD  # what is only read takes no time
        return float(
            np.mean([self.draw(seed, version, meta.labels) for seed in range(draws)])
        ), draws

    def draw(self, seed: int, version: Version, tuned_on: int) -> float:
        """The score of as many labels drawn at random."""
        drawn = np.random.default_rng(seed).permutation(np.array(sorted(self.truth)))
        known, rest = drawn[: len(self.labelled)], drawn[len(self.labelled) :]
        if tuned_on:
            rest = rest[:500]
            of_known, of_rest = self.tuned(known, rest, tuned_on, version, seed)
        else:
            of_known, of_rest = (self.vectors(version.encoder, ids) for ids in (known, rest))
        head = head_of(of_known, self.targets(known), of_rest, self.config, seed)
        return self.score(head, of_rest, rest)

    def tuned(
        self, known: Ints, rest: Ints, tuned_on: int, version: Version, seed: int
    ) -> tuple[Floats, Floats]:
        store = Store(self.bench.models / str(self.project))
        spec = store.encoders()[version.encoder].spec
        encoder, first = JointEncoder(spec), known[:tuned_on]
        of_first, of_known, of_rest = (
            self.examples(ids, encoder, store, spec) for ids in (first, known, rest)
        )
        encoder.learn_clips(of_first, self.targets(first))
        if encoder.is_tunable:
            training = Examples(of_first, self.targets(first))
            nothing = Examples([], training.targets[:0])
            finetune(encoder, training, nothing, self.config.kind, seed=seed)
        return encoder.encode(of_known), encoder.encode(of_rest)

    def keys_of(self, ids: Ints) -> Ints:
        return np.array([self.keys[task] for task in ids.tolist()], dtype=np.int64)

    def examples(
        self, ids: Ints, encoder: JointEncoder, store: Store, spec: EncoderSpec
    ) -> list[Example]:
        """What the backend's trainer reads of these tasks."""
        if encoder.clips is None:
            return [(read_picture(self.files[task]),) for task in ids.tolist()]
        kept = store.frozen("video", spec.image, encoder.clips.state_dimension)
        rows = kept.rows(self.keys_of(ids))
        return [(states,) for states in kept.take(rows)]


def head_of(
    of_known: Floats, targets: Floats, of_rest: Floats, config: LabelConfig, seed: int
) -> Head:
    """What is learnt from the vectors of what is labelled, and of the rest."""
    centre = pool_centre(np.concatenate([of_known, of_rest]), seed)
    head = fit_head(of_known, targets, config.kind, config.labels, centre)
    if config.kind != "multiple":
        return head
    found = fit_thresholds(head.probs(of_rest), targets.sum(axis=0).astype(np.int64))
    return replace(head, thresholds=found)


def served(folder: Path) -> str:
    """Serve the files in a folder as long as this process lives; the host."""
    files = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=files.serve_forever, daemon=True).start()
    return f"127.0.0.1:{files.server_port}"


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pictures", "clips"))
    parser.add_argument("train", type=Path)
    parser.add_argument("--label-studio", required=True)
    parser.add_argument("--image-encoder", required=True)
    parser.add_argument("--pool", type=int, default=1500)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--deep-rounds", choices=("yes", "no"), default="yes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(play(arguments, Path(name))))


def play(arguments: object, folder: Path) -> Json:
    options = vars(arguments)
    what, media = options["what"], folder / "media"
    media.mkdir()
    pictures = unpacked(options["train"], media, options["pool"] if what == "pictures" else 4000, 0)
    shown = [(path, [label]) for path, label in pictures]
    if what == "clips":
        shown = clips(pictures, media, options["pool"], 0)
    labels = sorted({label for _, given in shown for label in given})
    host = served(media)
    studio_server = local.label_studio(folder, local.free_port(), options["label_studio"])
    backend = local.backend(
        folder,
        local.free_port(),
        studio_server.url,
        image_encoder=options["image_encoder"],
        media_hosts=host,
        deep_rounds=options["deep_rounds"],
    )
    with studio_server, backend:
        studio_server.wait_until_up()
        backend.wait_until_up()
        bench = Bench(Studio(studio_server.url, local.TOKEN), backend, folder / "models", {})
        tasks = []
        for path, given in shown:
            file = str(path.relative_to(media))
            tasks.append({"media": f"http://{host}/{file}", "file": file, "labels": given})
        began = time.monotonic()
        xml = interface(what, labels)
        project = bench.connected(tasks, xml)
        encoded = time.monotonic() - began
        found = Play(bench, project, parse(xml), media)
        for number in range(options["labels"]):
            found.label_next()
            if number % 10 == 9:
                print(number + 1, found.version().name, round(found.f1(), 3), flush=True)
        if options["deep_rounds"] == "yes":
            until("a deep round", lambda: found.version().encoder > 0, 900)
        random, draws = found.f1_random()
        return {
            "what": what,
            "pool": len(tasks),
            "labels": len(found.labelled),
            "until_all_were_encoded_s": round(encoded, 1),
            "version": found.version().name,
            "f1": round(found.f1(), 4),
            "f1_random": round(random, 4),
            "f1_random_draws": draws,
            "refresh_p50_s": round(float(np.percentile(found.refreshes, 50)), 3),
            "refresh_p95_s": round(float(np.percentile(found.refreshes, 95)), 3),
            "out_of_order": found.out_of_order,
        }


if __name__ == "__main__":
    main()
