"""<RectangleLabels>, and <Labels> with a <Rectangle>: what people and the model draw."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.errors import CannotTransfer, UnsupportedConfig
from backend.interface.answers import read_result
from backend.interface.content import parts_of
from backend.interface.controls.boxes import BoxLabels, RectangleLabels
from backend.interface.objects.image import MOST_PICTURES, addresses
from backend.interface.parse import parse
from backend.interface.preannotations import box_regions
from backend.interface.questions import LabelConfig, boxes_in
from backend.mirror.votes import Votes, consensus
from backend.project.encoder_spec import ignored_by, spec_of
from backend.project.transfer import take_over
from backend.settings import Settings
from backend.trainer.boxes import Boxes
from backend.trainer.detector import LEAST_HELD_OUT, held_out_of, hidden
from backend.types import Json
from model.boxes.geometry import Box, places_of
from model.media.pictures import Page
from tests.backend.fuzzing import JSON

LABELS = '<Label value="Cat"/><Label value="Dog" alias="d"/>'
XML = (
    '<View><Image name="i" value="$i"/>'
    f'<RectangleLabels name="r" toName="i">{LABELS}</RectangleLabels></View>'
)
READING = (
    f'<View><Image name="i" value="$i"/><Labels name="r" toName="i">{LABELS}</Labels>'
    '<Rectangle name="box" toName="i"/><Polygon name="poly" toName="i"/>'
    '<TextArea name="text" toName="i" perRegion="true"/></View>'
)
PAGES = XML.replace('value="$i"', 'valueList="$i"')
CONFIG, WITH_RECTANGLE, OF_PAGES = parse(XML), parse(READING), parse(PAGES)
PLACE: Json = {"x": 10.0, "y": 20, "width": 30.0, "height": 40.0, "rotation": 0}
"""As Label Studio's page saves it: percent of the picture."""


def region(value: object, **beside: object) -> Json:
    return {"from_name": "r", "to_name": "i", "type": "rectanglelabels", "value": value, **beside}


def read(value: object, config: LabelConfig = CONFIG, **beside: object) -> Any:
    return read_result([region(value, **beside)], config)


def test_a_box_is_read_in_shares_of_the_picture() -> None:
    found = read({**PLACE, "rectanglelabels": ["Cat"]})
    assert found.answer == (Box(0, 0.1, 0.2, 0.3, 0.4, "Cat"),)
    assert found.lost == ()


def test_a_box_with_several_labels_is_one_of_each() -> None:
    answer = read({**PLACE, "rectanglelabels": ["d", "Cat"]}).answer
    assert [box.label for box in boxes_in(answer)] == ["Cat", "d"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"x": -5, "width": 15}, (0.0, 0.2, 0.1, 0.4)),
        ({"x": 90.0, "width": 10.00001}, (0.9, 0.2, 0.1, 0.4)),
        ({"y": 80, "height": 50}, (0.1, 0.8, 0.3, 0.2)),
    ],
)
def test_what_lies_over_the_edge_is_cut_off(changed: Json, expected: tuple[float, ...]) -> None:
    (box,) = boxes_in(read({**PLACE, **changed, "rectanglelabels": ["Cat"]}).answer)
    assert (box.x, box.y, box.width, box.height) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changed", "beside", "why"),
    [
        ({"rotation": 30}, {}, "is a turned box, and only upright ones are learnt"),
        ({"rotation": -179}, {}, "is a turned box"),
        ({}, {"image_rotation": 90}, "is a turned box"),
        ({"x": 100.0}, {}, "is a box outside of the picture"),
        ({"x": -40.0}, {}, "is a box outside of the picture"),
        ({"y": 99.99, "height": 40}, {}, "is a box outside of the picture"),
        ({"width": 0}, {}, "is a box without an area"),
        ({"height": -3}, {}, "is a box without an area"),
        ({"x": "10"}, {}, "is no box with numbers for x, y, width and height"),
        ({"x": None}, {}, "is no box with numbers"),
        ({"x": True}, {}, "is no box with numbers"),
        ({"x": 10**400}, {}, "is no box with numbers"),
        ({"x": float("nan")}, {}, "is no box with numbers"),
        ({"rotation": "a"}, {}, "is a turned box"),
        ({}, {"item_index": -1}, "is no box with numbers"),
        ({}, {"item_index": MOST_PICTURES}, f"than the first {MOST_PICTURES}, which are read"),
    ],
)
def test_a_box_that_is_not_learnt_is_counted_and_said(
    changed: Json, beside: Json, why: str
) -> None:
    found = read({**PLACE, **changed, "rectanglelabels": ["Cat"]}, **beside)
    assert found.answer is None
    (said,) = found.lost
    assert said.startswith("an answer to RectangleLabels 'r' is ")
    assert why in said


@pytest.mark.parametrize("rotation", [0, 0.3, 360, -359.8, None])
def test_a_box_that_is_hardly_turned_is_upright(rotation: object) -> None:
    value = {**PLACE, "rotation": rotation, "rectanglelabels": ["Cat"]}
    if rotation is None:
        del value["rotation"]
    assert len(boxes_in(read(value).answer)) == 1


def test_an_unknown_label_is_said_and_the_others_count() -> None:
    found = read({**PLACE, "rectanglelabels": ["Cow", "Cat"]})
    assert [box.label for box in boxes_in(found.answer)] == ["Cat"]
    assert found.lost == ("'Cow' is not among the answers of RectangleLabels 'r'",)


def test_a_former_name_counts() -> None:
    config = parse(XML, aliases={"Kitten": "Cat"})
    (box,) = boxes_in(read({**PLACE, "rectanglelabels": ["Kitten"]}, config).answer)
    assert box.label == "Cat"


@given(JSON, st.sampled_from([CONFIG, WITH_RECTANGLE, OF_PAGES]))
def test_no_value_is_too_odd(value: object, config: LabelConfig) -> None:
    found = read(value, config, item_index=value)
    assert found.answer is None or boxes_in(found.answer)


def test_what_a_rectangle_draws_is_read_once() -> None:
    """The page saves where the box lies twice, and a polygon under the same labels."""
    labelled = {**region({**PLACE, "labels": ["Cat"]}), "type": "labels"}
    drawn = {**region(PLACE), "from_name": "box", "type": "rectangle"}
    found = read_result([drawn, labelled], WITH_RECTANGLE)
    assert found.answer == (Box(0, 0.1, 0.2, 0.3, 0.4, "Cat"),)
    assert found.lost == ()
    polygon = {**region({"points": [[1, 1], [5, 5], [1, 5]], "labels": ["Cat"]}), "type": "labels"}
    found = read_result([labelled, polygon], WITH_RECTANGLE)
    assert [box.label for box in boxes_in(found.answer or ())] == ["", "Cat"]
    assert "is no box with numbers" in found.lost[0]


def test_what_is_written_is_read_again() -> None:
    box = Box(0, 0.125, 0.25, 0.5, 0.0625, "d")
    (written,) = box_regions([(box, 0.75)], {0: (640, 480)}, CONFIG)
    assert written == {
        "from_name": "r",
        "to_name": "i",
        "type": "rectanglelabels",
        "value": {
            "x": 12.5,
            "y": 25.0,
            "width": 50.0,
            "height": 6.25,
            "rotation": 0,
            "rectanglelabels": ["d"],
        },
        "score": 0.75,
        "original_width": 640,
        "original_height": 480,
        "image_rotation": 0,
    }
    assert read_result([written], CONFIG).answer == (box,)


def test_a_rectangle_has_an_entry_of_its_own() -> None:
    """With the same id, as the page saves it."""
    boxes = [(Box(0, 0.1, 0.2, 0.3, 0.4, "Cat"), 0.9), (Box(0, 0.5, 0.5, 0.1, 0.1, "d"), 0.8)]
    written = box_regions(boxes, {0: (640, 480)}, WITH_RECTANGLE)
    kinds = [(one["from_name"], one["type"], one["id"]) for one in written]
    assert kinds == [
        ("box", "rectangle", "box-1"),
        ("r", "labels", "box-1"),
        ("box", "rectangle", "box-2"),
        ("r", "labels", "box-2"),
    ]
    assert "labels" not in written[0]["value"]
    assert written[1]["value"]["labels"] == ["Cat"]
    assert read_result(written, WITH_RECTANGLE).answer == (boxes[0][0], boxes[1][0])


def test_pages_keep_their_numbers() -> None:
    boxes = [(Box(page, 0.1, 0.2, 0.3, 0.4, "Cat"), 0.9) for page in (0, 2)]
    written = box_regions(boxes, {0: (640, 480), 2: (64, 48)}, OF_PAGES)
    assert [(one["item_index"], one["original_width"]) for one in written] == [(0, 640), (2, 64)]
    assert read_result(written, OF_PAGES).answer == (boxes[0][0], boxes[1][0])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a.png", ["a.png"]),
        ([" a.png ", 7, "b.png"], ["a.png", "", "b.png"]),
        ([str(number) for number in range(99)], [str(number) for number in range(MOST_PICTURES)]),
        ([], None),
        ([None], None),
        ({"a": 1}, None),
        ("", None),
    ],
)
def test_each_picture_keeps_its_place_in_the_list(
    value: object, expected: list[str] | None
) -> None:
    parts = parts_of({"i": value}, OF_PAGES)
    assert (parts and addresses(parts[0] or "[]")) == expected


def test_without_a_detector_boxes_are_left_to_people() -> None:
    ignored = ignored_by(Settings())
    with pytest.raises(UnsupportedConfig, match=r"not learnt without a detector\. Set DETECTOR"):
        parse(XML, ignored)
    with pytest.raises(UnsupportedConfig, match="Labels 'r' over <Image> is not learnt without"):
        parse(READING, ignored)
    choices = '<Choices name="c" toName="i"><Choice value="a"/><Choice value="b"/></Choices></View>'
    beside = parse(XML.replace("</View>", choices), ignored)
    assert beside.left_out == ("RectangleLabels 'r' over <Image> is not learnt without a detector",)
    learnt = parse(XML.replace("</View>", choices))
    assert [one.from_name for one in learnt.questions] == ["c"]
    assert learnt.left_out == ("RectangleLabels 'r' draws boxes",)


def test_with_one_the_pictures_are_read_by_it_alone() -> None:
    settings = Settings(detector="a/detector", image_encoder="none")
    config = parse(XML, ignored_by(settings))
    assert (config.kind, config.layout) == ("boxes", ("proposals",))
    assert config.head_labels == ("", "Cat", "d")
    spec = spec_of(config.layout, settings)
    assert (spec.image, spec.text, spec.audio) == ("a/detector", "", "")
    assert isinstance(config.questions[0].control, RectangleLabels)
    assert WITH_RECTANGLE.questions[0].control == BoxLabels("box")
    assert WITH_RECTANGLE.left_out == (
        "Polygon 'poly' over <Image> is not learnt",
        "TextArea 'text' over <Image> is not learnt",
    )


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        (READING.replace('<Rectangle name="box" toName="i"/>', ""), "without a <Rectangle>"),
        (XML.replace('toName="i"', 'toName="x"'), "points at no tag named 'x'"),
        (XML.replace(LABELS, ""), "needs one or more labels"),
        (XML.replace(LABELS, '<Label value="a"/><Label value="a"/>'), "twice"),
        (XML.replace("Image", "Text"), "over <Text> is not learnt"),
        (XML.replace('name="r"', 'name="r" value="$own"'), "each task's own \\$own"),
    ],
)
def test_what_cannot_be_learnt_is_refused(xml: str, why: str) -> None:
    with pytest.raises(UnsupportedConfig, match=why):
        parse(xml)


def annotated(*boxes: Box) -> Json:
    regions = box_regions([(box, 1.0) for box in boxes], {0: (64, 64)}, CONFIG)
    return {"was_cancelled": False, "result": regions}


def test_people_agree_on_what_they_drew_nearly_alike() -> None:
    first, second = Box(0, 0.1, 0.1, 0.4, 0.4, "Cat"), Box(0, 0.12, 0.1, 0.4, 0.4, "Cat")
    votes = Votes.read([annotated(first), annotated(second)], CONFIG, False)
    agreed = consensus(votes.answers, CONFIG)
    (box,) = boxes_in(agreed or ())
    assert box.x == pytest.approx(0.11)
    assert consensus([(first,)], CONFIG) == (first,)
    assert consensus([(first,), ()], CONFIG) is None


def test_a_picture_in_which_nothing_is_drawn_is_an_answer() -> None:
    assert Votes.read([{"was_cancelled": False, "result": []}], CONFIG, False).answers == [()]


def test_people_differ_where_labels_do_and_not_where_edges_do() -> None:
    unit = Boxes(CONFIG)
    cat = (Box(0, 0.1, 0.1, 0.4, 0.4, "Cat"),)
    wider = (Box(0, 0.1, 0.1, 0.44, 0.4, "Cat"),)
    dog = (Box(0, 0.1, 0.1, 0.44, 0.4, "d"),)
    assert unit.agree([cat, wider])
    assert not unit.agree([cat, ()])
    assert unit.differences([cat, dog]) == [("Cat", "d")]
    assert unit.differences([cat, ()]) == [("", "Cat")]
    assert unit.readable(dog) == ["d (32 % across, 30 % down)"]


def test_nothing_is_taken_over_from_an_earlier_project(tmp_path: Any) -> None:
    settings = Settings(model_dir=tmp_path, detector="a/detector")
    with pytest.raises(CannotTransfer, match="set DETECTOR to the copy"):
        take_over("1", settings, 2, spec_of(CONFIG.layout, settings))


def test_of_a_label_with_a_limit_the_surest_boxes_are_drawn() -> None:
    xml = XML.replace("<RectangleLabels ", '<RectangleLabels maxUsages="1" ', 1)
    config = parse(xml, ignored=())
    first, second = config.labels[:2]
    boxes = [
        (Box(0, 0.1, 0.1, 0.2, 0.2, first), 0.6),
        (Box(0, 0.5, 0.1, 0.2, 0.2, first), 0.9),
        (Box(0, 0.5, 0.5, 0.2, 0.2, second), 0.3),
    ]
    written = box_regions(boxes, {0: (640, 480)}, config)
    assert [one["score"] for one in written] == [0.9, 0.3]


def test_what_is_not_learnt_beside_other_boxes_is_not_taught_as_nothing() -> None:
    size = {"original_width": 200, "original_height": 100}
    square = {"x": 50.0, "y": 50.0, "width": 10.0, "height": 20.0}  # 20 pixels each way
    values: list[tuple[Json, Json]] = [
        (PLACE | {"rectanglelabels": ["Cat"]}, {}),
        (square | {"rotation": 45, "rectanglelabels": ["Cat"]}, size),
        (square | {"rectanglelabels": ["Cow"]}, size),
        (square | {"rectanglelabels": ["Cow", "d"]}, {"item_index": 1, **size}),
        (square | {"rectanglelabels": ["Cat"]}, {"image_rotation": 90, "item_index": 2}),
    ]
    found = read_result([region(value, **beside) for value, beside in values], CONFIG)
    unread = [box for box in boxes_in(found.answer or ()) if box.label == ""]
    assert len(found.lost) == 3, "the unknown label is said once"
    whole, turned, of_another_label = sorted(unread, key=lambda box: (-box.page, box.x))
    assert (whole.page, *places_of([whole])[0]) == (2, 0.0, 0.0, 1.0, 1.0)
    half = 20 * 2**-0.5  # pixels from the corner around which it is turned to each side
    np.testing.assert_allclose(
        places_of([turned])[0], [0.5 - half / 200, 0.5, 2 * half / 200, 2 * half / 100], atol=1e-6
    )
    np.testing.assert_allclose(places_of([of_another_label])[0], [0.5, 0.5, 0.1, 0.2])
    labels = [box.label for box in boxes_in(found.answer or ()) if box.label]
    assert labels == ["Cat", "d"]


CAT: Json = {**PLACE, "rectanglelabels": ["Cat"]}


@pytest.mark.parametrize("labels", [{}, {"rectanglelabels": []}, {"rectanglelabels": [7]}])
def test_a_box_without_a_label_is_said_and_not_taught_as_nothing(labels: Json) -> None:
    """The page saves one where somebody takes its label back."""
    place = {**PLACE, "x": 60.0}
    found = read_result([region(CAT), region({**place, **labels})], CONFIG)
    assert [(box.label, box.x) for box in boxes_in(found.answer or ())] == [("Cat", 0.1), ("", 0.6)]
    (said,) = found.lost
    assert said.startswith("an answer to RectangleLabels 'r' is a box without a label: {")
    assert read({**place, **labels}).answer is None


def test_a_rectangle_without_a_label_is_said_and_not_taught_as_nothing() -> None:
    labelled = {**region({**PLACE, "labels": ["Cat"]}), "type": "labels", "id": "a"}
    drawn = [{**region(PLACE), "from_name": "box", "type": "rectangle", "id": one} for one in "ab"]
    drawn[1]["value"] = {**PLACE, "x": 60.0}
    found = read_result([drawn[0], labelled, drawn[1]], WITH_RECTANGLE)
    assert [(box.label, box.x) for box in boxes_in(found.answer or ())] == [("Cat", 0.1), ("", 0.6)]
    (said,) = found.lost
    assert said.startswith("an answer to Labels 'r' is a box without a label: {")
    odd = [{**one, "id": [one]} for one in (drawn[0], labelled)]
    assert read_result(odd, WITH_RECTANGLE).lost == ()
    alone = read_result([drawn[1]], WITH_RECTANGLE)
    assert (alone.answer, alone.lost) == (None, (said,))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"points": [[50, 40], [70, 60], [55, 90]]}, (0.5, 0.4, 0.2, 0.5)),
        ({"x": 50, "y": 50, "radiusX": 10, "radiusY": 5}, (0.4, 0.45, 0.2, 0.1)),
        ({"x": 50, "y": 50, "radiusX": 10, "radiusY": 5, "rotation": 90}, (0.45, 0.4, 0.1, 0.2)),
        ({"format": "rle", "rle": [1, 2, 3]}, (0.0, 0.0, 1.0, 1.0)),
        ({"x": 50, "y": 50, "width": 10**400, "height": 1}, (0.0, 0.0, 1.0, 1.0)),
        ({"points": [[50, float("nan")], [70, 60]]}, (0.0, 0.0, 1.0, 1.0)),
    ],
)
def test_other_shapes_beside_boxes_are_not_taught_as_nothing(
    value: Json, place: tuple[float, ...]
) -> None:
    size = {"original_width": 100, "original_height": 100}
    labelled = region({**PLACE, "labels": ["Cat"]})
    other = region({**value, "labels": ["Cat"]}, **size)
    answer = read_result([labelled, other], WITH_RECTANGLE).answer
    (unread,) = (box for box in boxes_in(answer or ()) if box.label == "")
    np.testing.assert_allclose(places_of([unread])[0], place, atol=1e-6)


def test_what_an_interface_of_other_programs_leaves_at_null_is_as_if_absent() -> None:
    beside = {"item_index": None, "image_rotation": None}
    found = read_result([region({**CAT, "rotation": None}, **beside)], CONFIG)
    assert found.answer == (Box(0, 0.1, 0.2, 0.3, 0.4, "Cat"),)
    assert found.lost == ()


def test_a_turned_box_of_one_person_is_no_difference_about_what_it_surrounds() -> None:
    cat, around = Box(0, 0.4, 0.4, 0.2, 0.2, "Cat"), Box(0, 0.1, 0.1, 0.8, 0.8, "")
    elsewhere = Box(0, 0.65, 0.65, 0.2, 0.2, "Cat")
    unit = Boxes(CONFIG)
    assert unit.agree([(cat,), (around, cat)])
    assert unit.agree([(cat, elsewhere), (around, cat)])
    assert not unit.agree([(), (around, cat)])


def test_what_can_be_learnt_stays_in_sight_of_a_detector() -> None:
    white = Image.new("RGB", (20, 10), "white")
    page = Page(white, 20, 10, number=1)
    drawn = [Box(1, 0.0, 0.0, 0.5, 1.0, ""), Box(1, 0.1, 0.2, 0.2, 0.4, "Cat")]
    drawn += [Box(0, 0.0, 0.0, 1.0, 1.0, "")]
    shown = np.array(hidden(page, drawn).picture.convert("L"))
    is_hidden = np.zeros((10, 20), dtype=np.bool_)
    is_hidden[:, :10] = True
    is_hidden[2:6, 2:6] = False
    np.testing.assert_array_equal(shown < 255, is_hidden)
    assert hidden(page, drawn[1:]) is page
    assert white.getpixel((0, 0)) == (255, 255, 255)


def test_pictures_with_boxes_are_held_out_where_things_are_rare() -> None:
    """Of the audit pictures few show anything, and nothing could be measured on the others."""
    ids, audits = np.arange(200), np.arange(200) < 20
    rare = np.arange(200) % 10 == 0
    held_out = held_out_of(ids, audits, rare, seed=0)
    others = held_out & ~audits
    assert others.sum() == int(0.2 * (rare & ~audits).sum()) == 3
    assert (others <= rare).all() and (audits <= held_out).all()
    every = np.ones(200, dtype=np.bool_)
    assert (held_out_of(ids, audits, every, seed=0) == audits).all()
    assert held_out_of(ids, audits & False, every, seed=0).sum() == LEAST_HELD_OUT
    assert not held_out_of(ids[:4], every[:4] & False, every[:4], seed=0).any()
