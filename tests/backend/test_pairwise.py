"""<Pairwise>: which of two things is chosen."""

import numpy as np
import pytest

from backend.doctor.required import optional_controls
from backend.errors import UnsupportedConfig
from backend.interface.answers import answer_of
from backend.interface.content import key_of, parts_of
from backend.interface.controls.pairwise import Pairwise
from backend.interface.names import names_of, unnamed
from backend.interface.objects.text import Text
from backend.interface.parse import parse
from backend.interface.preannotations import results_of
from backend.interface.questions import Answer, LabelConfig, Question, Source
from backend.project.encoder_spec import is_tunable
from model.heads.head import Head
from model.types import Layout, in_words, is_of_text

TEXTS = '<Text name="a" value="$one"/><Text name="b" value="$two"/>'
PAIR = '<Pairwise name="pw" toName="a,b"/>'
PREFERENCE = parse(f'<View><Text name="p" value="$prompt"/>{PAIR}{TEXTS}</View>')


def comparing(left: str, right: str, around: str = "") -> LabelConfig:
    """A comparison of two object tags of these kinds."""
    shown = f'<{left} name="a" value="$one"/><{right} name="b" value="$two"/>'
    return parse(f"<View>{around}{PAIR}{shown}</View>")


def test_the_sides_are_two_exclusive_labels_of_two_things() -> None:
    question = Question("pw", "a", "pair", ("left", "right"), Pairwise())
    left, right = Source(Text(), "$one", side="left"), Source(Text(), "$two", side="right")
    assert PREFERENCE.questions == (question,)
    assert PREFERENCE.sources == (left, right, Source(Text(), "$prompt"))
    assert PREFERENCE.layout == ("pair", "text", "text", "text")
    assert PREFERENCE.kind == "pair"
    assert PREFERENCE.left_out == ()


def test_each_text_is_read_by_itself_and_so_is_the_prompt() -> None:
    shown = {"one": "Yes.", "two": "No.", "prompt": "Is it?"}
    parts = parts_of(shown, PREFERENCE)
    assert parts == (None, "Yes.", "No.", "Is it?")
    swapped = parts_of({**shown, "one": "No.", "two": "Yes."}, PREFERENCE)
    assert swapped == (None, "No.", "Yes.", "Is it?")
    assert parts is not None and swapped is not None
    assert key_of(parts) != key_of(swapped)
    assert parts_of({"one": "Yes.", "two": "No."}, PREFERENCE) == (None, "Yes.", "No.", None)
    assert in_words(PREFERENCE.layout) == "pairs of text and a text beside them"
    assert is_of_text(PREFERENCE.layout)
    assert is_tunable(PREFERENCE.layout)


@pytest.mark.parametrize("shown", [{"one": "Yes."}, {"two": "No."}, {"prompt": "Is it?"}])
def test_a_task_that_lacks_one_of_the_two_shows_nothing(shown: dict[str, str]) -> None:
    assert parts_of(shown, PREFERENCE) is None


@pytest.mark.parametrize(
    ("left", "right", "layout", "tuned"),
    [
        ("Text", "HyperText", ("pair", "text", "text"), True),
        ("Image", "Image", ("pair", "image", "image"), True),
        ("Video", "Video", ("pair", "video", "video"), False),
        ("Audio", "Audio", ("pair", "audio", "audio"), False),
    ],
)
def test_two_things_of_a_kind_are_compared(
    left: str, right: str, layout: Layout, tuned: bool
) -> None:
    config = comparing(left, right)
    assert config.layout == layout
    assert is_tunable(layout) == tuned
    assert is_of_text(layout) == ("text" in layout)
    assert in_words(layout) == f"pairs of {layout[1]}"
    parts = parts_of({"one": "<p>1</p>", "two": "<p>2</p>"}, config)
    assert parts == (None, "<p>1</p>", "2" if right == "HyperText" else "<p>2</p>")


def test_two_texts_in_files_are_compared_and_none_with_a_text_in_the_task() -> None:
    filed = TEXTS.replace("/>", ' valueType="url"/>')
    config = parse(f'<View><Text name="p" value="$prompt"/>{PAIR}{filed}</View>')
    assert config.layout == ("pair", "document", "document")
    assert is_tunable(config.layout)
    assert not is_of_text(config.layout)
    shown = parts_of({"one": "https://a/1.txt", "two": "https://a/2.txt", "prompt": "?"}, config)
    assert shown is not None and len(shown) == 3
    mixed = filed.replace(' valueType="url"', "", 1)
    with pytest.raises(UnsupportedConfig, match="compares a <Text> with a <Text> in a file"):
        parse(f"<View>{PAIR}{mixed}</View>")


def test_a_dataset_is_encoded_again_where_two_texts_are_compared() -> None:
    alone = Source(Text(), "$one")
    assert PREFERENCE.sources[2].identity() == Source(Text(), "$prompt").identity()
    assert alone.identity() == ("text", "$one", "none", None)
    assert PREFERENCE.sources[0].identity() == (*alone.identity(), "left")


def test_a_text_beside_pictures_is_not_read() -> None:
    """It would say the same of both."""
    config = comparing("Image", "Image", '<Text name="p" value="$prompt"/>')
    assert config.layout == ("pair", "image", "image")
    shown = {"one": "1.png", "two": "2.png", "prompt": "Which?"}
    assert parts_of(shown, config) == (None, "1.png", "2.png")


def test_clips_are_compared_with_their_sound_where_that_is_read() -> None:
    xml = f'<View>{PAIR}<Video name="a" value="$one"/><Video name="b" value="$two"/></View>'
    config = parse(xml, ignored=())
    assert config.layout == ("pair", "video", "track", "video", "track")
    parts = parts_of({"one": "1.mp4", "two": "2.mp4"}, config)
    assert parts == (None, "1.mp4", "1.mp4", "2.mp4", "2.mp4")


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (PAIR.replace("a,b", "a") + TEXTS, "does not name the two tags that it compares"),
        (PAIR.replace("a,b", "a,a") + TEXTS, "does not name the two tags that it compares"),
        (PAIR.replace("a,b", "a,b,c") + TEXTS, "does not name the two tags that it compares"),
        (PAIR.replace('toName="a,b"', "") + TEXTS, "does not name the two tags that it compares"),
        (PAIR.replace("a,b", "a,c") + TEXTS, "points at no tag named 'c'"),
        (
            PAIR + TEXTS.replace('<Text name="b"', '<Image name="b"'),
            "compares a <Text> with a <Image>",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(xml: str, reason: str) -> None:
    with pytest.raises(UnsupportedConfig) as refused:
        parse(f"<View>{xml}</View>")
    assert refused.value.reason == f"Pairwise 'pw' {reason}"


def test_a_thing_that_is_not_read_is_not_compared() -> None:
    series = TEXTS.replace('<Text name="b"', '<TimeSeries name="b"')
    with pytest.raises(UnsupportedConfig, match="<TimeSeries> is not read"):
        parse(f"<View>{PAIR}{series}</View>")


CHOICES = '<Choices name="c" toName="a"><Choice value="x"/><Choice value="y"/></Choices>'


def test_what_is_asked_first_decides_between_tasks_and_pairs() -> None:
    first = parse(f"<View>{PAIR}{CHOICES}{TEXTS}</View>")
    assert [one.from_name for one in first.questions] == ["pw"]
    assert first.left_out == (
        "Choices 'c' asks about whole tasks, and Pairwise 'pw' compares two tags",
    )
    assert first.others == {"c"}
    second = parse(f"<View>{CHOICES}{PAIR}{TEXTS}</View>")
    assert [one.from_name for one in second.questions] == ["c"]
    assert second.layout == ("text",)
    assert second.left_out == (
        "Pairwise 'pw' compares two tags, and Choices 'c' asks about whole tasks",
    )


def test_of_several_comparisons_one_is_learnt() -> None:
    """A click is an answer to the last of those that compare the same tags."""
    again = PAIR.replace("pw", "again")
    config = parse(f"<View>{PAIR}{again}{TEXTS}</View>")
    assert [one.from_name for one in config.questions] == ["again"]
    assert config.left_out == ("Pairwise 'pw' compares the same tags as Pairwise 'again'",)
    other = PAIR.replace("pw", "other").replace("a,b", "b,c")
    config = parse(f'<View>{PAIR}{other}{TEXTS}<Text name="c" value="$three"/></View>')
    assert [one.from_name for one in config.questions] == ["pw"]
    assert config.left_out == ("Pairwise 'other' does not compare the same tags as Pairwise 'pw'",)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ({"selected": "left"}, ("left",)),
        ({"selected": "right"}, ("right",)),
        ({"selected": "none"}, None),
        ({"selected": None}, None),
        ({"selected": ["left"]}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("to_name", ["pw", "a", "a,b"])
def test_a_side_is_read_whatever_it_points_at(
    value: dict[str, object], answer: Answer | None, to_name: str
) -> None:
    """Label Studio's page writes the tag's own name, and repeats that of a pre-annotation."""
    region = {"from_name": "pw", "to_name": to_name, "type": "pairwise", "value": value}
    assert answer_of([region], PREFERENCE) == answer


def test_the_likelier_side_is_written_with_the_first_of_the_two_names() -> None:
    """Label Studio drops a pre-annotation with both names, or with the tag's own, on import; its
    page shows the one with a single name."""
    nothing = np.zeros(2, np.float32)
    head = Head("pair", PREFERENCE.labels, nothing[None, :], nothing, nothing[:1])
    ((region,), (other,)) = results_of(np.array([[0.3, 0.7], [0.9, 0.1]]), head, PREFERENCE)
    assert region == {
        "from_name": "pw",
        "to_name": "a",
        "type": "pairwise",
        "value": {"selected": "right"},
        "score": 0.7,
    }
    assert other["value"] == {"selected": "left"}


def test_sides_have_no_names_that_say_something_of_texts() -> None:
    assert names_of(PREFERENCE) == {}
    assert unnamed(PREFERENCE) == []


def test_the_doctor_does_not_ask_for_what_the_page_ignores() -> None:
    """Label Studio's page saves an empty annotation in spite of `required` in a <Pairwise>."""
    assert optional_controls(f"<View>{PAIR}{TEXTS}</View>", empty_is_none=False) == {}
