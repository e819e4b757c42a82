"""<Labels> over <Audio>: the sounds of Label Studio's own template."""

from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from backend.types import Json
from model.media.limits import MAX_MARKED_SECONDS
from model.spans.pieces import overlapping
from model.spans.tags import Span
from tests.model.hearing import Made, log_mel_network, made_sound
from tests.model.test_sounds import write_wave
from tests.studio.bench import Bench, partly_labelled, until
from tests.studio.templates import configs_of

TEMPLATE = "Sound Event Detection"
CALLED = {"tone": "Event A", "noise": "Event B"}
RATE = 8_000
SOUNDS, LABELS = 60, 40

# Where Label Studio keeps the labels makes no difference here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    network = log_mel_network(tmp_path_factory.mktemp("network"))
    return {"audio_encoder": str(network), "audit_share": 0.2}


def sounds(folder: Path, count: int) -> list[tuple[Json, Made]]:
    """Tasks that contain their sound, and what is in it."""
    rng, found = np.random.default_rng(0), []
    for _ in range(count):
        made = made_sound(rng, RATE)
        file = write_wave(folder / "sound.wav", made.samples, RATE).read_bytes()
        found.append(({"audio": "data:audio/wav;base64," + b64encode(file).decode()}, made))
    return found


def wanted(made: Made) -> list[Span]:
    return [
        Span(one.start, one.end, CALLED[one.label]) for one in made.pieces if one.label in CALLED
    ]


KIND = (
    '<Choices name="kind" toName="audio" perRegion="true"><Choice value="Pure"/>'
    '<Choice value="Rough"/></Choices></View>'
)
KINDS = {"Event A": "Pure", "Event B": "Rough"}


def marked(made: Made) -> list[Json]:
    """What an annotator marks and says of each piece, as Label Studio's page saves it."""
    found = []
    for number, one in enumerate(wanted(made)):
        piece = region(one.start / 1000, one.end / 1000, one.label) | {"id": f"r{number}"}
        place = {name: value for name, value in piece["value"].items() if name != "labels"}
        kind = {
            "from_name": "kind",
            "type": "choices",
            "value": place | {"choices": [KINDS[one.label]]},
        }
        found += [piece, piece | kind]
    return found


def region(start: float, end: float, label: str) -> Json:
    value = {"start": start, "end": end, "channel": 0, "labels": [label]}
    names = {"from_name": "label", "to_name": "audio", "type": "labels", "origin": "manual"}
    return {**names, "original_length": 6.5, "value": value}


def test_pieces_of_sounds_are_learnt_and_marked_beforehand(
    bench: Bench, label_studio_program: str, tmp_path: Path
) -> None:
    interface = configs_of(label_studio_program)[TEMPLATE].replace("</View>", KIND)
    made = sounds(tmp_path, SOUNDS)
    of_audio = {task["audio"]: sound for task, sound in made}
    tasks = [task for task, _ in made]
    labelled = partly_labelled(tasks, LABELS, lambda task: marked(of_audio[task["audio"]]))
    project = bench.connected(labelled, interface)
    task, is_in_order = bench.next_in_order(project)
    assert is_in_order, "the order is the model's"
    bench.studio.annotate(task["id"], marked(of_audio[task["data"]["audio"]]))
    bench.until_learnt(project, task["id"])
    version = bench.followed(project)
    state = bench.state(project)
    assert state["trouble"] is None
    assert state["not_learnt"] == []
    assert version.facts.validation["micro_f1"]["value"] > 0.5
    data = {task["id"]: task["data"]["audio"] for task in bench.studio.of(project).tasks()}
    given = found = right = agreeing = 0
    for prediction in bench.studio.of(project).predictions():
        if prediction["model_version"] != version.name:
            continue
        said = []
        kinds = {
            one["id"]: one["value"]["choices"][0]
            for one in prediction["result"]
            if one["from_name"] == "kind"
        }
        for one in prediction["result"]:
            value = one["value"]
            if one["from_name"] == "kind":
                continue
            agreeing += kinds[one["id"]] == KINDS[value["labels"][0]]
            assert value.keys() == {"start", "end", "labels"}
            assert 0.0 <= value["start"] < value["end"] <= 8.0
            said.append(
                Span(*(round(1000 * value[which]) for which in ("start", "end")), *value["labels"])
            )
        true = wanted(of_audio[data[prediction["task"]]])
        right += len(overlapping(said, true))
        given, found = given + len(true), found + len(said)
    assert 2 * right > 0.7 * (given + found), f"{right} of {found}, and there are {given}"
    assert agreeing > 0.9 * found


def test_pieces_that_are_not_learnt_are_counted_and_said(
    bench: Bench, label_studio_program: str, tmp_path: Path
) -> None:
    interface = configs_of(label_studio_program)[TEMPLATE]
    made = sounds(tmp_path, 12)
    project = bench.connected([task for task, _ in made], interface)
    for given in (
        [region(1.0, 2.0, "Event A"), region(1.5, 3.0, "Event B")],
        [region(1.0, 2.0, "Event A"), region(MAX_MARKED_SECONDS + 1, 130.0, "Event A")],
        [{**region(1.0, 2.0, "Event A"), "value": {"start": "early", "labels": ["Event A"]}}],
    ):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.studio.annotate(task["id"], given)

    def reasons() -> list[str] | None:
        said = [one["reason"] for one in bench.state(project)["not_learnt"]]
        return said if len(said) == 3 else None

    said = until("what is not learnt said", reasons)
    assert any("only the one that begins first is learnt" in one for one in said)
    assert any(f"begins after the first {MAX_MARKED_SECONDS:g} seconds" in one for one in said)
    assert any("'start': 'early'" in one for one in said)
