"""Uploaded pictures, clips and sounds: ranked, learnt, and reported where unreadable."""

import itertools
import re
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetModel, ViTImageProcessorPil

from backend.dev import local
from backend.project.versions import SETTLED_BY
from backend.types import Json
from model.encoders.motion import WEIGHT
from model.encoders.part_head import load_part_head
from model.storage.store import Store
from tests.backend.web import Answer, Web
from tests.benchmarks.media import write_clip
from tests.model.test_clips import REAL
from tests.model.test_sound_encoder import wav2vec2
from tests.model.test_sounds import tone, write_wave
from tests.studio.bench import TOPICS, Bench, choices, partly_labelled, stories, until

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
CHOICES = "".join(f'<Choice value="{colour}"/>' for colour in COLOURS)
PICTURES = (
    '<View><Image name="text" value="$image"/>'
    f'<Choices name="topic" toName="text" required="true">{CHOICES}</Choices></View>'
)


@pytest.fixture(scope="module")
def backend_settings(
    tmp_path_factory: pytest.TempPathFactory, files: Web, one_layer: Path
) -> dict[str, object]:
    """A tiny network with random weights separates colours."""
    folder: Path = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1])
    ResNetModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    torch.manual_seed(0)
    return {
        "encoder": str(one_layer),
        "image_encoder": str(folder),
        "audio_encoder": str(wav2vec2(tmp_path_factory.mktemp("sounds"))),
        "clip_sound": "yes",
        "media_hosts": files.host,
        "deep_rounds": "yes",
        "deep_round_first": 15,
        "deep_round_growth": 10,
    }


def picture(colour: str, rng: np.random.Generator) -> bytes:
    pixels = np.array(COLOURS[colour]) + rng.normal(0.0, 25.0, (24, 24, 3))
    file = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def upload(bench: Bench, project: int, contents: dict[str, bytes]) -> None:
    """What dropping files onto the import page sends."""
    requests.post(
        f"{bench.studio.url}/api/projects/{project}/import",
        files={name: (name, content) for name, content in contents.items()},
        headers={"Authorization": f"Token {local.TOKEN}"},
        timeout=60,
    ).raise_for_status()


def colour_of(task: Json, key: str) -> str:
    """Label Studio keeps the name of an uploaded file at the end of its own."""
    address: str = task["data"][key]
    return address.rpartition("-")[2].partition("_")[0]


# Where Label Studio keeps the labels makes no difference here.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_uploaded_pictures_are_learnt_and_bad_ones_reported(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    project = bench.empty_project(PICTURES)
    colours = [list(COLOURS)[number % 3] for number in range(45)]
    good = {f"{each}_{n}.png": picture(each, rng) for n, each in enumerate(colours)}
    page = b"<!doctype html><html><body>Log in</body></html>"
    upload(bench, project, {**good, "cut_1.png": good["red_0.png"][:200], "page_2.png": page})
    bench.connect(project)
    until("all readable pictures in the order", lambda: bench.ranks(project) == 45)
    until("the sampling mode", lambda: bench.is_ordered(project))
    reasons = [one["reason"] for one in bench.state(project)["unreadable_tasks"]]
    assert len(reasons) == 2
    assert any("cut off" in reason for reason in reasons)
    assert any("HTML page" in reason for reason in reasons)

    label(bench, project, "image")
    bench.until_tuned(project)
    task = bench.studio.of(project).next_task()
    assert task is not None
    assert task["predictions"][0]["result"][0]["value"]["choices"] == [colour_of(task, "image")]

    # The same tasks under another interface, which reads the addresses as texts.
    config = PICTURES.replace("<Image", "<Text")
    bench.studio.of(project).update(label_config=config)
    until("all tasks in the order as texts", lambda: bench.ranks(project) == 47 - SETTLED_BY)
    version, state = bench.version(project), bench.state(project)
    assert version is not None
    encoder = Store(bench.models / str(project)).encoders()[version.encoder]
    assert encoder.layout == ("text",)
    assert (state["trouble"], state["training_trouble"], state["unreadable"]) == (None, None, 0)


def label(bench: Bench, project: int, key: str) -> None:
    """As many of the next tasks as it takes until all are pre-annotated."""
    for _ in range(SETTLED_BY):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [colour_of(task, key)])
        last = task["id"]
    bench.until_learnt(project, last)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_labels_faster_than_vectors_come_stays_in_the_order(bench: Bench, files: Web) -> None:
    """Sixteen of forty clips were encoded when the first order came. Then Label Studio served the
    others at random, and the log said that nothing was left to label."""
    rng, asked, is_free = np.random.default_rng(0), itertools.count(), threading.Event()
    answer = Answer(picture("red", rng))

    def slow(handler: BaseHTTPRequestHandler) -> None:
        """The first 16 are encoded together; a request waits at most ten seconds."""
        if next(asked) >= 16:
            is_free.wait(8.0)
        answer(handler)

    addresses = [f"{files.url}/slow-{number}.png" for number in range(22)]
    files.answers |= {f"/slow-{number}.png": slow for number in range(22)}
    project = bench.project([{"image": address} for address in addresses], PICTURES)
    bench.connect(project)
    until("the first order", lambda: bench.ranks(project) == 16)
    until("the sampling mode", lambda: bench.is_ordered(project))
    assert bench.state(project)["open_tasks"] == 22

    for _ in range(19):
        label_next(bench, project)
    random = f"project {project}: all 16 encoded tasks are labelled; "
    said = until("the sentence", lambda: bench.server.log.read_text().partition(random)[2])
    assert re.match(r"[3-6] are not encoded yet and are asked at random\n", said)
    nothing = f"project {project}: no task is left to label"
    assert nothing not in bench.server.log.read_text()
    is_free.set()
    until("the other vectors", lambda: bench.ranks(project) == 3)

    bench.studio.of(project).import_tasks([{"image": f"{files.url}/gone.png"}, {"image": ""}])
    for _ in range(3):
        label_next(bench, project)
    left = "All tasks that can be read are labelled; 2 more cannot be read and are asked at random."
    until("the rest", lambda: left in bench.state(project)["sentence"])
    for _ in range(2):
        label_next(bench, project)
    until("the end", lambda: nothing in bench.server.log.read_text())
    assert bench.state(project)["open_tasks"] == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_where_no_picture_can_be_read_there_is_an_order_all_the_same(
    bench: Bench, files: Web
) -> None:
    """Each task that was served asked us for a prediction first, while the annotator waited."""
    tasks: list[Json] = [{"image": f"{files.url}/nothing-{number}.png"} for number in range(3)]
    project = bench.project(tasks, PICTURES)
    bench.connect(project)
    sentence = "No task can be read; all 3 are asked at random."
    until("the order", lambda: sentence in bench.state(project)["sentence"])
    until("the sampling mode", lambda: bench.is_ordered(project))
    label_next(bench, project)


def label_next(bench: Bench, project: int) -> None:
    """Label what is served, which is the next in our order. All alike: no deep round comes."""
    task, is_in_order = bench.next_in_order(project)
    assert is_in_order
    assert task["predictions"], "it was not served at random"
    bench.submit(task, ["red"])


CLIPS = PICTURES.replace("<View><Image", '<View><Text name="title" value="$title"/><Video').replace(
    'value="$image"', 'value="$clip"'
)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_clips_beside_titles_are_learnt_frame_by_frame(
    bench: Bench, files: Web, tmp_path: Path
) -> None:
    """The title says nothing, and the colour shows only for a moment. Real clips are read, too."""
    rng = np.random.default_rng(0)
    tasks: list[Json] = []
    for number in range(24):
        colour = list(COLOURS)[number % 3]
        means = [np.full(3, 128), np.array(COLOURS[colour]), np.full(3, 128)]
        pixels = [mean + rng.normal(0.0, 25.0, (24, 24, 3)) for mean in means]
        frames = [Image.fromarray(one.clip(0, 255).astype(np.uint8)) for one in pixels]
        file = tmp_path / f"{number}.mp4"
        write_clip(file, frames)
        tasks.append({"clip": served(files, file), "title": f"Clip {number}", "is": colour})
    real = sorted(REAL.iterdir()) if REAL.is_dir() else []
    tasks += [{"clip": served(files, clip), "title": clip.stem, "is": "red"} for clip in real]
    known = partly_labelled(tasks, 9, lambda task: choices([task["is"]]))
    project = bench.connected(known, CLIPS)
    assert bench.state(project)["unreadable"] == 0
    for _ in range(6):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order
        bench.submit(task, [task["data"]["is"]])
        bench.until_learnt(project, task["id"])
    version = bench.until_tuned(project)
    store = Store(bench.models / str(project))
    assert store.encoders()[0].spec.layout == ("text", "video", "track"), "most are silent"
    plain, tuned = (store.encoders()[number].dimension for number in (0, version.encoder))
    assert plain < tuned <= plain + len(COLOURS), "a number for each label that somebody gave"
    clips = sorted(urlsplit(str(task["clip"])).path for task in tasks)
    fetched = sorted(one.path for one in files.seen if one.path in clips)
    assert fetched == clips, "each clip is fetched once"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_movements_are_learnt(bench: Bench, files: Web, tmp_path: Path) -> None:
    """A clip gets brighter or darker: each frame of one kind is a frame of the other, too."""
    rng = np.random.default_rng(0)
    tasks: list[Json] = []
    for number in range(48):
        kind, levels = ("red", range(40, 201, 40)) if number % 2 else ("blue", range(200, 39, -40))
        pixels = [rng.normal(level, 20.0, (24, 24, 3)) for level in levels]
        frames = [Image.fromarray(one.clip(0, 255).astype(np.uint8)) for one in pixels]
        file = tmp_path / f"movement-{number}.mp4"  # other clips are cached by their address
        write_clip(file, frames)
        tasks.append({"clip": served(files, file), "title": "Clip", "is": kind})
    known = partly_labelled(tasks, 36, lambda task: choices([task["is"]]))
    project = bench.connected(known, CLIPS)
    version = bench.until_tuned(project)
    store = Store(bench.models / str(project))
    learnt = load_part_head(store.encoder_folder(version.encoder))
    assert learnt is not None
    assert learnt.motion.tolist() == [WEIGHT]
    is_known = {task["id"]: task["data"]["is"] for task in bench.studio.of(project).tasks()}
    said = {
        row["task"]: [one for region in row["result"] for one in region["value"]["choices"]]
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == version.name
    }
    assert len(said) == 12
    assert sum(said[task] == [is_known[task]] for task in said) >= 10


def served(files: Web, path: Path) -> str:
    """The address of a file."""
    files.answers[f"/{path.name}"] = Answer(path.read_bytes())
    return f"{files.url}/{path.name}"


SOUNDS = PICTURES.replace("<Image", "<Audio").replace("$image", "$audio")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_uploaded_sounds_are_learnt(bench: Bench, tmp_path: Path) -> None:
    project = bench.empty_project(SOUNDS)
    tones: dict[str, bytes] = {}
    for number in range(36):
        pitch = 220.0 if number % 2 else 1760.0
        file = write_wave(tmp_path / "tone.wav", tone(0.5, 16_000, pitch + number), 16_000)
        colour = "red" if number % 2 else "blue"
        tones[f"{colour}_{number}.wav"] = file.read_bytes()
    upload(bench, project, tones)
    bench.connect(project)
    until("all sounds in the order", lambda: bench.ranks(project) == 36)
    assert bench.state(project)["unreadable"] == 0
    label(bench, project, "audio")
    task = bench.studio.of(project).next_task()
    assert task is not None
    assert task["predictions"][0]["result"][0]["type"] == "choices"


PAGES = PICTURES.replace('value="$image"', 'valueList="$pages"')


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_several_pictures_a_task_are_learnt(bench: Bench, files: Web) -> None:
    rng = np.random.default_rng(0)
    tasks: list[Json] = []
    for number in range(SETTLED_BY + 9):
        colour = list(COLOURS)[number % 3]
        names = [f"/page-{number}-{page}.png" for page in range(1 + number % 4)]
        files.answers |= {name: Answer(picture(colour, rng)) for name in names}
        tasks.append({"pages": [files.url + name for name in names], "colour": colour})
    lacking: Json = {
        "pages": [files.url + "/page-0-0.png", files.url + "/gone.png"],
        "colour": "red",
    }
    found = partly_labelled(
        [*tasks, lacking], SETTLED_BY, lambda task: choices([str(task["colour"])])
    )
    project = bench.project(found, PAGES)
    bench.connect(project)
    until("all whose pictures are there in the order", lambda: bench.ranks(project) == 9)
    (unread,) = bench.state(project)["unreadable_tasks"]
    assert "404" in unread["reason"]
    truth = {task["id"]: task["data"]["colour"] for task in bench.studio.of(project).tasks()}

    def said() -> dict[int, str]:
        served = bench.served(project)
        rows = bench.studio.of(project).predictions()
        mine = [row for row in rows if row["model_version"] == served and row["result"]]
        return {row["task"]: row["result"][0]["value"]["choices"][0] for row in mine}

    until("pre-annotations", lambda: len(said()) >= 9)
    assert sum(truth[task] == colour for task, colour in said().items()) >= 8


FILED = (
    '<View><Text name="text" value="$file" valueType="url"/>'
    '<HyperText name="page" value="$page" valueType="url"/>'
    '<Paragraphs name="said" value="$said" valueType="url"/>'
    '<Choices name="topic" toName="text" required="true">'
    + "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
    + "</Choices></View>"
)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_texts_in_files_are_learnt_and_tune_the_encoder(bench: Bench, files: Web) -> None:
    """The page and the dialogue are those of Label Studio's own examples."""
    tasks: list[Json] = []
    for number, story in enumerate(stories(SETTLED_BY + 9)):
        files.answers[f"/story-{number}.txt"] = Answer(story["story"].encode())
        page = "/static/samples/hypertext.html" if number % 2 else ""
        said = "/static/samples/paragraphs.json" if number % 3 else ""
        address = f"{files.url}/story-{number}.txt"
        tasks.append({**story, "file": address, "page": page, "said": said})
    files.answers["/login.txt"] = Answer(b"<!doctype html><html>Log in")
    wrong = ["/gone.txt", "/login.txt"]
    nothing = {"page": "", "said": "", "topic": "tech"}
    tasks += [{**nothing, "file": files.url + name} for name in wrong]
    project = bench.project(partly_labelled(tasks, SETTLED_BY), FILED)
    bench.connect(project)
    until("all readable ones in the order", lambda: bench.ranks(project) == 9)
    reasons = [one["reason"] for one in bench.state(project)["unreadable_tasks"]]
    assert len(reasons) == 2 and "404" in reasons[0] and "HTML page" in reasons[1]
    version = bench.until_tuned(project)
    encoder = Store(bench.models / str(project)).encoders()[version.encoder]
    assert encoder.layout == ("document", "document", "document")
    assert version.head is not None
    predicted = [
        row["result"][0]["value"]["choices"][0]
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == version.name and row["result"]
    ]
    assert len(predicted) >= 9 and set(predicted) <= set(TOPICS)


PAIRS = (
    '<View><Pairwise name="redder" toName="one,two"/>'
    '<Image name="one" value="$one"/><Image name="two" value="$two"/></View>'
)


def redder(task: Json) -> list[Json]:
    """As Label Studio's page saves it."""
    value = {"selected": task["redder"]}
    return [{"from_name": "redder", "to_name": "redder", "type": "pairwise", "value": value}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_which_of_two_pictures_is_learnt_and_pre_annotated(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    tasks: list[Json] = []
    for number in range(60):
        red, other = (
            "data:image/png;base64," + b64encode(picture(colour, rng)).decode()
            for colour in ("red", "green" if number % 3 else "blue")
        )
        side = "left" if number % 2 else "right"
        one, two = (red, other) if side == "left" else (other, red)
        tasks.append({"one": one, "two": two, "redder": side})
    project = bench.connected(partly_labelled(tasks, SETTLED_BY - 2, redder), PAIRS)
    for _ in range(2):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order
        bench.studio.annotate(task["id"], redder(task["data"]))
        bench.until_learnt(project, task["id"])
    version = bench.until_tuned(project)
    encoder = Store(bench.models / str(project)).encoders()[version.encoder]
    assert encoder.layout == ("pair", "image", "image")
    sides = {task["id"]: task["data"]["redder"] for task in bench.studio.of(project).tasks()}
    said = {
        row["task"]: region["value"]["selected"]
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == version.name
        for region in row["result"]
    }
    assert len(said) > 5
    right = sum(side == sides[task] for task, side in said.items())
    assert right / len(said) > 0.8
