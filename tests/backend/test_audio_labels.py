"""<Labels> over <Audio>: what pages save, and what is read of it."""

import pytest

from backend.errors import UnsupportedConfig
from backend.interface.answers import read_result
from backend.interface.content import parts_of
from backend.interface.controls.audio_labels import OVERLAPPING, AudioLabels
from backend.interface.parse import parse
from backend.interface.preannotations import regions_of
from backend.mirror.votes import consensus
from backend.project.encoder_spec import ignored_by, is_tunable, spec_of
from backend.settings import Settings
from backend.types import Json
from model.spans.tags import Span

CONFIG = parse(
    '<View><Labels name="label" toName="audio"><Label value="Speech"/>'
    '<Label value="Noise" alias="n"/></Labels><Audio name="audio" value="$audio"/></View>'
)


def region(start: object, end: object, *labels: str) -> Json:
    """As Label Studio's page saves it."""
    value = {"start": start, "end": end, "channel": 0, "labels": list(labels)}
    names = {"from_name": "label", "to_name": "audio", "type": "labels", "origin": "manual"}
    return {**names, "original_length": 5, "value": value}


def test_pieces_are_read_step_by_step_by_the_encoder_of_sounds() -> None:
    assert (CONFIG.kind, CONFIG.layout, CONFIG.labels) == ("spans", ("steps",), ("Speech", "n"))
    assert parts_of({"audio": " /data/upload/1/a.wav "}, CONFIG) == ("/data/upload/1/a.wav",)
    settings = Settings(audio_encoder="sounds", encoder="texts", image_encoder="pictures")
    spec = spec_of(CONFIG.layout, settings)
    assert (spec.audio, spec.text, spec.image) == ("sounds", "", "")
    assert spec.network_of("steps") == "sounds"
    assert not is_tunable(CONFIG.layout)


def test_without_an_encoder_of_sounds_pieces_are_refused() -> None:
    ignored = ignored_by(Settings(audio_encoder="none"))
    xml = (
        '<View><Labels name="l" toName="a"><Label value="x"/></Labels>'
        '<Audio name="a" value="$a"/></View>'
    )
    with pytest.raises(UnsupportedConfig, match="<Audio> is not read by this backend"):
        parse(xml, ignored)


def test_what_a_page_saves_is_read_to_the_millisecond() -> None:
    result = [region(0.9985528219971057, 2.1562952243125904, "Speech"), region(3, 4.2, "n")]
    found = read_result(result, CONFIG)
    assert found.answer == (Span(999, 2156, "Speech"), Span(3000, 4200, "n"))
    assert found.lost == ()


@pytest.mark.parametrize(
    ("start", "end", "places"),
    [
        (-0.5, 1.0, (0, 1000)),
        (119.0, 500.0, (119_000, 120_000)),
        (0.0, 10**400, (0, 120_000)),
        (float("-inf"), float("inf"), (0, 120_000)),
    ],
)
def test_a_piece_ends_where_nothing_more_is_heard(
    start: object, end: object, places: tuple[int, int]
) -> None:
    assert read_result([region(start, end, "n")], CONFIG).answer == (Span(*places, "n"),)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (2.0, 2.0),
        (2.0, 1.0),
        ("1", 2),
        (None, 2),
        (True, 2),
        (float("nan"), 2),
        ([], {}),
    ],
)
def test_what_is_no_piece_is_said(start: object, end: object) -> None:
    found = read_result([region(start, end, "Speech")], CONFIG)
    assert found.answer is None
    (reason,) = found.lost
    assert reason.startswith("an answer to Labels 'label' has a form that is not understood: {")


def test_what_is_not_heard_and_what_has_no_label_is_said() -> None:
    """The page saves a piece without a label where somebody takes it back."""
    nameless = region(1.0, 2.0)
    assert nameless["value"]["labels"] == []
    found = read_result([region(121, 130, "Speech"), nameless], CONFIG)
    assert found.answer is None
    behind, without = found.lost
    assert behind.startswith(
        "an answer to Labels 'label' begins after the first 120 seconds, and no more is heard: {"
    )
    assert without.startswith("an answer to Labels 'label' is a piece without a label: {")


def test_pieces_that_overlap_are_said() -> None:
    apart = [region(1.0, 2.0, "Speech"), region(1.95, 3.0, "n"), region(5.0, 6.0, "n")]
    assert read_result(apart, CONFIG).lost == ()
    both = [region(1.0, 9.0, "Speech"), region(2.0, 3.0, "n"), region(10.0, 11.0, "n")]
    found = read_result(both, CONFIG)
    assert found.lost == (OVERLAPPING,)
    assert found.answer is not None
    assert len(found.answer) == 3


def test_pieces_that_overlap_are_found_behind_a_long_one() -> None:
    given = [Span(0, 9000, "n"), Span(1000, 1050, "n"), Span(5000, 6000, "n")]
    assert AudioLabels().not_learnt(given) == OVERLAPPING


def test_what_the_model_finds_is_written_in_seconds() -> None:
    """The page adds the channel and the length of the sound."""
    assert regions_of([(Span(1200, 3450, "n"), 0.87654)], "", CONFIG) == [
        {
            "from_name": "label",
            "to_name": "audio",
            "type": "labels",
            "value": {"start": 1.2, "end": 3.45, "labels": ["n"]},
            "score": 0.8765,
        }
    ]


def test_people_who_mark_nearly_the_same_agree() -> None:
    votes = [(Span(1000, 2000, "n"),), (Span(1100, 2050, "n"),), (Span(900, 2100, "Speech"),)]
    assert consensus(votes[:2], CONFIG) == (Span(1100, 2000, "n"),)
    assert consensus(votes, CONFIG) == (Span(1100, 2000, "n"),)
    assert consensus(votes[1:], CONFIG) is None


def test_beside_questions_about_whole_tasks_pieces_are_left_to_people() -> None:
    config = parse(
        '<View><Labels name="label" toName="audio"><Label value="Speech"/></Labels>'
        '<Choices name="c" toName="audio"><Choice value="a"/><Choice value="b"/></Choices>'
        '<Audio name="audio" value="$audio"/></View>'
    )
    assert config.layout == ("audio",)
    assert config.left_out == ("Labels 'label' marks spans",)
