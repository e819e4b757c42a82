"""<ParagraphLabels> over <Paragraphs>: the dialogues of Label Studio's own template."""

import re
from pathlib import Path

import pytest

from backend.types import Json
from tests.studio.bench import Bench, partly_labelled
from tests.studio.templates import configs_of

TEMPLATE = "Conversational Analysis"
GOOD, BAD = "Positive1", "Negative"
TURNS = (
    ("Mia", "😀 I love it, thank you!", GOOD),
    ("Vincent", "That is terrible, I hate it.", BAD),
    ("Mia", "What time is it?", ""),
    ("Vincent", "I love this song.", GOOD),
    ("Mia", "A terrible idea.", BAD),
    ("Vincent", "See you at nine.", ""),
)


LABELS = 40


@pytest.fixture(scope="module")
def backend_settings(one_layer: Path) -> dict[str, object]:
    tuned = {"deep_rounds": "yes", "deep_round_first": LABELS, "audit_share": 0.2}
    return {**tuned, "encoder": str(one_layer), "max_tokens": 128}


def dialogue(number: int) -> Json:
    """Turns in another order each time. The page shows them by their times, which are reversed."""
    turns = [TURNS[(number + 2 * place + place // 3) % len(TURNS)] for place in range(4)]
    said = [
        {"author": name, "text": f"{words} ({number})", "start": 9 - place, "end": 9.5 - place}
        for place, (name, words, _) in enumerate(turns)
    ]
    return {"text": said, "audio": "/static/samples/game.wav"}


def marked(task: Json) -> list[Json]:
    """What an annotator marks, as Label Studio's page saves it: whole turns, and code units."""
    shown = list(reversed(task["text"]))
    feelings = {words: feeling for _, words, feeling in TURNS if feeling}
    return [
        {
            "from_name": "label",
            "to_name": "text",
            "type": "paragraphlabels",
            "value": {
                "start": str(place),
                "end": str(place),
                "startOffset": 0,
                "endOffset": len(turn["text"].encode("utf-16-le")) // 2,
                "text": turn["text"],
                "paragraphlabels": [feelings[words]],
            },
        }
        for place, turn in enumerate(shown)
        if (words := re.sub(r" \(\d+\)$", "", turn["text"])) in feelings
    ]


# Where Label Studio keeps the labels makes no difference here.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_spans_of_dialogues_are_learnt_and_marked_beforehand(
    bench: Bench, label_studio_program: str
) -> None:
    interface = configs_of(label_studio_program)[TEMPLATE]
    tasks = partly_labelled([dialogue(number) for number in range(60)], LABELS - 1, marked)
    project = bench.connected(tasks, interface)
    task, is_in_order = bench.next_in_order(project)
    assert is_in_order, "the order is the model's"
    bench.studio.annotate(task["id"], marked(task["data"]))
    bench.until_learnt(project, task["id"])
    version = bench.until_tuned(project)
    assert version.head is not None
    assert version.head.labels == ("O", f"B-{GOOD}", f"I-{GOOD}", f"B-{BAD}", f"I-{BAD}")
    assert bench.state(project)["trouble"] is None
    data = {task["id"]: task["data"] for task in bench.studio.of(project).tasks()}
    found = right = 0
    for prediction in bench.studio.of(project).predictions():
        if prediction["model_version"] != version.name:
            continue
        wanted = [one["value"] for one in marked(data[prediction["task"]])]
        shown = list(reversed(data[prediction["task"]]["text"]))
        for region in prediction["result"]:
            value = region["value"]
            turn = shown[int(value["start"])]["text"].encode("utf-16-le")
            if value["start"] == value["end"]:
                piece = turn[2 * value["startOffset"] : 2 * value["endOffset"]]
                assert value["text"] == piece.decode("utf-16-le")
            found, right = found + 1, right + (value in wanted)
    assert right > found / 2 > 10, f"{right} of {found} are right"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_beside_a_question_about_the_dialogue_spans_are_left_to_people(
    bench: Bench, label_studio_program: str
) -> None:
    interface = configs_of(label_studio_program)["Intent Classification and Slot Filling"]
    data = [{"humanMachineDialogue": dialogue(number)["text"]} for number in range(12)]
    project = bench.connected(data, interface)
    task = bench.studio.of(project).next_task()
    assert task is not None
    slot = {"start": "0", "end": "0", "startOffset": 0, "endOffset": 3}
    given: list[Json] = [
        {
            "from_name": "entity_slot",
            "to_name": "dialogue",
            "type": "paragraphlabels",
            "value": {**slot, "paragraphlabels": ["Person"]},
        },
        {
            "from_name": "intent",
            "to_name": "dialogue",
            "type": "choices",
            "value": {"choices": ["Greeting"]},
        },
    ]
    bench.studio.annotate(task["id"], given)
    bench.until_learnt(project, task["id"])
    assert bench.state(project)["trouble"] is None
