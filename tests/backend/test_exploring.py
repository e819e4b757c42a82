"""Looking at a pool over HTTP: the map's points, what tasks show, searches, pictures."""

import io
import sqlite3
from base64 import b64decode
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from backend.errors import BackendError
from backend.explore.explorer import Explorer
from backend.explore.points import SCALE
from backend.interface.content import key_of
from backend.interface.parse import parse
from backend.media.cache import FileCache
from backend.mirror.pool import Pool
from backend.project.loop import Hint, ProjectLoop
from backend.project.map_drawing import LOOKED_AT
from backend.project.service import Service
from backend.project.status import Served, Status
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.types import Json
from backend.web.wire import install
from model.heads.head import Head
from model.mapping.regions import Region
from model.storage.copies import Copies, save_copies
from model.storage.facts import VersionFacts
from model.storage.maps import Map, save_map
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.types import Floats
from tests.backend.test_routes import NoWork

STUDIO = "http://127.0.0.1:9"
INTERFACE = (
    '<View><Text name="text" value="$text"/><Image name="image" value="$image"/>'
    '<Choices name="label" toName="text"><Choice value="Cat"/><Choice value="Dog"/>'
    '<Choice value="Cow"/></Choices></View>'
)
WORDS = ("purr", "meow", "woof", "bark & <b>bark</b>", "growl", "moo")
ANGLES = np.deg2rad([0.0, 10.0, 90.0, 100.0, 95.0, 200.0])
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
POSITIONS = np.array([[0, 0], [1, 0], [10, 10], [10, 11], [11, 10], [20, 0]], np.float32)
REGIONS = (Region(0.5, 0.0, ("purr",), 2), Region(10.5, 10.5, (), 3))


def task(place: int, label: str | None = None) -> Json:
    given = {"from_name": "label", "to_name": "text", "type": "choices"}
    result = [{**given, "value": {"choices": [label]}}] if label else []
    annotation = {"id": place, "result": result, "was_cancelled": not label, "completed_by": 1}
    data = {"text": WORDS[place], "image": f"/data/upload/{place}.png"}
    return {
        "id": 11 + place,
        "data": data,
        "annotations": [annotation] if label is not None else [],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "7"


@pytest.fixture
def served(folder: Path) -> Served:
    config, store = parse(INTERFACE), Store(folder)
    tasks = [task(0, "Cat"), task(1), task(2, "Dog"), task(3), task(4, ""), task(5)]
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.update(tasks, config)
        ids, keys = pool.keys(config, 0)
    assert ids.tolist() == [11, 12, 13, 14, 15, 16]
    with store.new_encoder(0) as aside:
        layout = config.layout
        write_encoder_meta(aside, EncoderMeta("a", "a", 16, 2, layout=layout, image_base="b"))
    store.vectors(0).append(keys[:5], VECTORS[:5].astype(np.float32))
    weights = np.array([[4.0, 0.0, -4.0], [0.0, 4.0, -4.0]], np.float32)
    head = Head("single", ("Cat", "Dog", "Cow"), weights, np.zeros(3), np.zeros(2))
    nothing = np.zeros(0, dtype=np.int64)
    asked = np.array([14, 11, 12])
    version = Version("0.3", 0, head, np.array([11, 13]), nothing, asked, VersionFacts(labels=2))
    return Served(version, config, INTERFACE, store)


@pytest.fixture
def loop(served: Served) -> ProjectLoop:
    made = ProjectLoop(7, Connection(STUDIO, "t"), lambda *_: NoWork(), 60.0)
    made.status = Status(served=served, config=served.config, title="Farm & <b>pets</b>")
    return made


@pytest.fixture
def client(folder: Path, loop: ProjectLoop) -> FlaskClient:
    settings = Settings(model_dir=folder.parent, label_studio_url=STUDIO, audit_share=0.0)
    service = Service(settings)
    service._loops[7] = loop
    app = Flask("backend")
    install(app, service)
    return app.test_client()


def drawn(served: Served, folder: Path, places: slice) -> None:
    with closing(Pool(folder / "pool.sqlite")) as pool:
        _, keys = pool.keys(served.config, 0)
    save_map(folder, Map(keys[places], POSITIONS[places], 0, "", 0.0, REGIONS))


def numbers(packed: str, kind: str) -> list[int]:
    found: list[int] = np.frombuffer(b64decode(packed), kind).tolist()
    return found


def test_a_draft_is_there_at_once(client: FlaskClient, folder: Path) -> None:
    found = client.get("/status/7/map.json").get_json()
    assert found["is_draft"] and found["regions"] == []
    assert numbers(found["ids"], "<i4") == [11, 12, 13, 14, 15]
    xy = np.array(numbers(found["xy"], "<u2")).reshape(-1, 2)
    assert xy.min() == 0 and xy.max() == SCALE
    assert found["sentence"] == (
        "5 tasks. This is a draft; a better map is being drawn. 1 more is not encoded yet."
    )
    with closing(Pool(folder / "pool.sqlite")) as pool:
        assert pool.fact(LOOKED_AT) > 0, "which the trainer draws a map for"


def test_what_is_known_of_each_point(client: FlaskClient, served: Served, folder: Path) -> None:
    drawn(served, folder, slice(0, 4))
    found = client.get("/status/7/map.json").get_json()
    assert not found["is_draft"] and found["reads_text"]
    assert numbers(found["ids"], "<i4") == [11, 12, 13, 14], "the fifth is not on the map yet"
    labels = found["labels"]
    assert sorted(labels) == ["Cat", "Dog"], "Cow does not occur"
    given, said = (numbers(found[name], "<i4") for name in ("given", "said"))
    assert [labels[one] if one >= 0 else "" for one in given] == ["Cat", "", "Dog", ""]
    assert [labels[one] for one in said] == ["Cat", "Cat", "Dog", "Dog"]
    sure = numbers(found["sure"], "u1")
    assert sure[0] == round(255 * float(np.exp(4) / (np.exp(4) + 1 + np.exp(-4))))
    assert [found["states"][one] for one in numbers(found["kind"], "u1")] == [
        "labelled",
        "open",
        "labelled",
        "open",
    ]
    assert found["next"] == [14, 12], "the order without what is labelled by now"
    xy = np.array(numbers(found["xy"], "<u2")).reshape(-1, 2)
    assert (xy[3] - xy[2]).tolist() == [0, round(SCALE / 11)], "as high as it is wide"
    assert [region["words"] for region in found["regions"]] == [["purr"], ["Dog"]], (
        "a region without telling words has the name of its label"
    )
    assert "4 of 5 encoded tasks." in found["sentence"]


@pytest.mark.parametrize("points", [0, 3])
def test_where_the_map_is_of_other_tasks_there_is_a_draft(
    client: FlaskClient, folder: Path, points: int
) -> None:
    """As after a change of what the labelling interface shows."""
    others = np.arange(points)
    save_map(folder, Map(others, POSITIONS[:points], 0, "", 0.0, REGIONS))
    answer = client.get("/status/7/map.json")
    assert answer.status_code == 200
    found = answer.get_json()
    assert found["is_draft"] and found["regions"] == []
    assert numbers(found["ids"], "<i4") == [11, 12, 13, 14, 15]


def test_one_task_is_a_map(client: FlaskClient, folder: Path) -> None:
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.keep_only({11})
    found = client.get("/status/7/map.json").get_json()
    assert numbers(found["ids"], "<i4") == [11] and numbers(found["xy"], "<u2") == [32768, 32768]
    assert found["sentence"] == "1 task. This is a draft; a better map is being drawn."


def test_with_thousands_of_labels_a_part_of_the_map_is_shown(
    client: FlaskClient,
    loop: ProjectLoop,
    served: Served,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend.explore.points.LEAST_POINTS", 2)
    monkeypatch.setattr("backend.explore.points.CELLS", 9)
    drawn(served, folder, slice(0, 5))
    woken: set[Hint] = loop._hints
    woken.clear()
    found = client.get("/status/7/map.json").get_json()
    assert len(numbers(found["ids"], "<i4")) == 3
    assert found["sentence"].startswith(
        "3 of 5 encoded tasks. They are drawn at random, because a map of all would be slow."
    )
    assert woken == set(), "another map would show no more"


def test_audit_tasks_and_skipped_ones_are_told_apart(
    client: FlaskClient, loop: ProjectLoop, served: Served, folder: Path
) -> None:
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.add_certified(np.array([13]), 1.0)
        pool.learn_again()
    found = client.get("/status/7/map.json").get_json()
    kinds = [found["states"][one] for one in numbers(found["kind"], "u1")]
    assert kinds == ["labelled", "open", "audit label", "open", "skipped or undecided"]
    assert numbers(found["audit"], "u1") == [0, 0, 1, 0, 0]


def test_without_a_head_nothing_is_said(client: FlaskClient, loop: ProjectLoop) -> None:
    served = loop.status.served
    assert served is not None
    version = replace(served.version, head=None)
    loop.status = replace(loop.status, served=replace(served, version=version))
    found = client.get("/status/7/map.json").get_json()
    assert set(numbers(found["said"], "<i4")) == {-1} and set(numbers(found["sure"], "u1")) == {0}
    (one,) = client.get("/status/7/tasks.json?ids=11").get_json()["tasks"]
    assert one["said"] == []


def test_what_tasks_show(client: FlaskClient) -> None:
    found = client.get("/status/7/tasks.json?ids=14,11,99,16").get_json()["tasks"]
    assert [one["task"] for one in found] == [14, 11], "without those that have no vector"
    assert found[0]["text"] == "bark & <b>bark</b>", "as data: the page never reads it as HTML"
    assert found[0]["pictures"] == [1] and found[0]["given"] == []
    assert [label for label, _ in found[0]["said"]] == ["Dog", "Cat", "Cow"]
    assert found[1]["given"] == ["Cat"] and found[1]["state"] == "labelled"


def test_a_long_text_is_cut(client: FlaskClient, served: Served, folder: Path) -> None:
    long = {"id": 30, "data": {"text": "word " * 1000, "image": ""}, "annotations": []}
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.update([long], served.config)
        (parts,) = pool.parts([30], served.config)
    served.store.vectors(0).append(np.array([key_of(parts)]), np.ones((1, 2), np.float32))
    (one,) = client.get("/status/7/tasks.json?ids=30").get_json()["tasks"]
    assert len(one["text"]) == 400 and one["text"].endswith("word…") and one["pictures"] == []


def test_more_like_this(client: FlaskClient) -> None:
    found = client.get("/status/7/search.json?like=13").get_json()["tasks"]
    assert [one["task"] for one in found] == [15, 14, 12, 11], "nearest first, without itself"
    assert found[0]["cosine"] == round(float(np.cos(np.deg2rad(5))), 3)
    assert found[0]["text"] == "growl"
    both = client.get("/status/7/search.json?like=11,14").get_json()["tasks"]
    assert {one["task"] for one in both} == {12, 13, 15}


def test_the_first_picture_comes_from_the_cache(client: FlaskClient, folder: Path) -> None:
    assert client.get("/status/7/picture/11/1").status_code == 404, "nothing is fetched for it"
    packed = io.BytesIO()
    Image.new("RGB", (640, 400), "red").save(packed, "PNG")
    cache = FileCache(folder.parent / "media", 1 << 20)
    cache.add(f"{STUDIO} /data/upload/0.png", [packed.getvalue()])
    cache.add(f"{STUDIO} /data/upload/1.png", [b"no picture"])
    answer = client.get("/status/7/picture/11/1")
    assert answer.content_type == "image/jpeg"
    # As it is read for encoders, at most 256 pixels high.
    assert Image.open(io.BytesIO(answer.data)).size == (320, 200)
    assert client.get("/status/7/picture/12/1").status_code == 404, "it is damaged"
    assert client.get("/status/7/picture/11/0").status_code == 404, "that part is a text"
    assert client.get("/status/7/picture/11/9").status_code == 404
    assert client.get("/status/7/picture/99/1").status_code == 404
    assert client.get(f"/status/7/picture/{10**30}/1").status_code == 404
    assert client.get(f"/status/7/picture/11/{10**30}").status_code == 404


def test_of_files_the_address_is_shown_and_of_several_pictures_the_first(
    client: FlaskClient, served: Served, loop: ProjectLoop, folder: Path
) -> None:
    shown = '<Pdf name="o" value="$pdf"/><Image name="pages" valueList="$pages"/>'
    choices = '<Choices name="c" toName="o"><Choice value="Cat"/><Choice value="Dog"/></Choices>'
    config = parse(f"<View>{shown}{choices}</View>")
    data = {"pdf": "/data/1.pdf", "pages": ["/data/upload/0.png", "/data/upload/1.png"]}
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.update([{"id": 30, "data": data, "annotations": []}], config)
        _, keys = pool.keys(config, 0)
    served.store.vectors(0).append(keys, np.ones((len(keys), 2), np.float32))
    loop.status = replace(loop.status, served=replace(served, config=config), config=config)
    (one,) = client.get("/status/7/tasks.json?ids=30").get_json()["tasks"]
    assert (one["text"], one["pictures"]) == ("/data/1.pdf", [1])
    packed = io.BytesIO()
    Image.new("RGB", (64, 40), "red").save(packed, "PNG")
    cache = FileCache(folder.parent / "media", 1 << 20)
    cache.add(f"{STUDIO} /data/upload/0.png", [packed.getvalue()])
    assert client.get("/status/7/picture/30/1").content_type == "image/jpeg"
    assert client.get("/status/7/picture/30/0").status_code == 404


def test_half_a_character_is_shown_and_names_no_picture(
    client: FlaskClient, served: Served, folder: Path
) -> None:
    """An emoji that was cut in two, which no file's name holds."""
    odd = {"id": 30, "data": {"text": "x\ud83d", "image": "/\ud83d.png"}, "annotations": []}
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.update([odd], served.config)
        key = pool.keys_of(np.array([30]))
    served.store.vectors(0).append(key, np.ones((1, 2), np.float32))
    assert client.get("/status/7/tasks.json?ids=30").get_json()["tasks"][0]["text"] == "x\ud83d"
    assert client.get("/status/7/picture/30/1").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("search.json?words=", 400, "There are no words to search for"),
        ("search.json?words=%20%09", 400, "There are no words to search for"),
        ("search.json?words=" + "long+" * 2001, 400, "at most 1,000"),
        ("search.json?like=99", 400, "None of the tasks 99 is encoded"),
        ("search.json?like=", 400, "None of the tasks (none) is encoded"),
        ("search.json?like=1;2", 400, "'1;2' is no number of a task"),
        ("tasks.json?ids=1,-2", 400, "'-2' is no number of a task"),
        ("map.json?question=no", 400, "There is no question 'no'; choose one of label"),
    ],
)
def test_a_bad_question_is_explained(
    client: FlaskClient, path: str, status: int, sentence: str
) -> None:
    answer = client.get(f"/status/7/{path}")
    assert answer.status_code == status and sentence in answer.get_json()["error"]


def test_words_are_encoded_as_the_tasks_that_they_are_compared_with(
    folder: Path, loop: ProjectLoop, served: Served
) -> None:
    """Reading a large pool takes seconds, in which a deep round may have another encoder served."""
    by: list[str] = []

    class Reading(Service):
        def encoded(self, served: Served, words: str) -> Floats:
            by.append(served.version.name)
            later = replace(served.version, name="1.1", encoder=1)
            loop.status = replace(loop.status, served=replace(served, version=later))
            return np.array([0.0, 1.0], np.float32)

    service = Reading(Settings(model_dir=folder.parent, label_studio_url=STUDIO))
    service._loops[7] = loop
    found = Explorer(service).by_words(7, "woof")
    assert [one["task"] for one in found] == [13, 15, 14, 12, 11]
    assert by == ["0.3"]


def test_before_there_is_anything_to_see(
    client: FlaskClient, loop: ProjectLoop, served: Served
) -> None:
    loop.status = replace(loop.status, served=None)
    for path in ("map.json", "tasks.json?ids=11", "search.json?like=11"):
        answer = client.get(f"/status/7/{path}")
        assert answer.status_code == 503
        assert "Nothing is encoded yet" in answer.get_json()["error"]
    version = replace(served.version, encoder=1)
    loop.status = replace(loop.status, served=replace(served, version=version))
    assert client.get("/status/7/map.json").status_code == 503, "its encoder was damaged"
    assert client.get("/status/7/map").status_code == 200, "the page waits"
    assert client.get("/status/8/map").status_code == 404


def test_texts_with_spans_have_no_map(client: FlaskClient, loop: ProjectLoop) -> None:
    assert client.get("/status/7/map.json").status_code == 200, "before that change"
    served = loop.status.served
    assert served is not None
    spans = parse(
        '<View><Labels name="label" toName="text"><Label value="Person"/></Labels>'
        '<Text name="text" value="$text"/></View>'
    )
    loop.status = replace(loop.status, served=replace(served, config=spans))
    answer = client.get("/status/7/map.json")
    assert (
        answer.status_code == 400 and "Texts with spans have no map" in answer.get_json()["error"]
    )
    assert "7/map" not in client.get("/status/7").text


def test_the_pages_escape_and_lead_to_each_other(client: FlaskClient) -> None:
    page = client.get("/status/7/map").text
    assert "Farm &amp; &lt;b&gt;pets&lt;/b&gt;" in page and "<b>pets" not in page
    assert 'href="7/map"' in client.get("/status/7").text
    assert 'href="../7"' in page


def test_a_tab_needs_tasks(client: FlaskClient) -> None:
    answer = client.post("/status/7/tab", data={"tasks": ""})
    assert answer.status_code == 400 and "choose some first" in answer.get_json()["error"]
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/status/7/tab", data={"tasks": "11"}, headers=cross).status_code == 403


def test_a_full_disk_is_no_bug(client: FlaskClient) -> None:
    """When somebody looks at a map is written down, and so are picks."""

    def write() -> str:
        raise sqlite3.OperationalError("database or disk is full")

    client.application.add_url_rule("/write", view_func=write)
    answer = client.get("/write")
    assert answer.status_code == 503
    assert "The disk of MODEL_DIR is full" in answer.get_json()["error"]


def test_the_loop_is_woken_to_draw(client: FlaskClient, loop: ProjectLoop) -> None:
    woken: set[Hint] = loop._hints
    woken.clear()
    client.get("/status/7/map.json")
    assert woken == {"vectors"}


def test_those_who_look_leave_threads_for_others(folder: Path, loop: ProjectLoop) -> None:
    settings = Settings(model_dir=folder.parent, label_studio_url=STUDIO, threads=8)
    service = Service(settings)
    service._loops[7] = loop
    explorer = Explorer(service)
    with explorer._place(), explorer._place():
        with pytest.raises(BackendError, match="Too many others look at pools"):
            explorer.map(7, "")
        assert explorer.tasks(7, [11])[0]["task"] == 11, "what is quick is always answered"
    assert not explorer.map(7, "")["regions"]


def test_what_is_known_of_one_label(client: FlaskClient) -> None:
    found = client.get("/status/7/label.json?question=label&label=Dog").get_json()
    assert numbers(found["ids"], "<i4") == [11, 12, 13, 14, 15]
    assert numbers(found["given"], "u1") == [2, 0, 1, 0, 0], "nobody answered the skipped one"
    dog = 1 / (np.exp(4) + 1 + np.exp(-4)), np.exp(4) / (np.exp(4) + 1 + np.exp(-4))
    probability = numbers(found["probability"], "u1")
    assert [probability[0], probability[2]] == [round(255 * one) for one in dog]
    assert client.get("/status/7/map.json").get_json()["answers"] == ["Cat", "Dog", "Cow"]


def test_a_label_that_there_is_not(client: FlaskClient) -> None:
    for query in ("", "?label=Bird", "?question=label&label=" + "x" * 1000):
        answer = client.get(f"/status/7/label.json{query}")
        assert answer.status_code == 400
        assert "has no answer" in answer.get_json()["error"]


def test_what_is_known_of_near_copies(client: FlaskClient, served: Served, folder: Path) -> None:
    with closing(Pool(folder / "pool.sqlite")) as pool:
        _, keys = pool.keys(served.config, 0)
    members = np.sort(keys[[0, 1, 3]])
    save_copies(folder, Copies(members, np.full(3, keys[0])))
    found = client.get("/status/7/tasks.json?ids=11,12,13").get_json()["tasks"]
    assert [(one["copies"], one["like"], one["proposed"]) for one in found] == [
        (2, None, []),
        (2, 11, ["Cat"]),
        (0, None, []),
    ]
