"""What the doctor says of a pool outside of Label Studio, from real files and from what the server
says."""

import socket
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from backend.commands.doctor import line_of
from backend.dataset.adding import add
from backend.dataset.record import folder_of, rows_of
from backend.doctor.checks import findings
from backend.doctor.dataset_probes import look, source_trouble
from backend.interface.parse import parse
from backend.settings import Settings
from backend.types import Json
from tests.backend.test_dataset import lines, texts
from tests.backend.test_doctor import CONFIG, HEALTHY, PROJECT

XML = CONFIG.replace("$t", "$text")
SAID: Json = {
    "address": "/data/news",
    "sentence": "3 of its 5 items are tasks here so far; all are encoded.",
    "broken": {"count": 0, "sentence": ""},
    "is_ranked": True,
    "shortage": None,
    "waits": "",
}
NAMES = ("dataset", "dataset files", "source", "columns", "open tasks", "disk", "ray")


class Place:
    """MODEL_DIR with a project that has a dataset in two parts."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("model.dataset.sizes.PART_ITEMS", 3)
        self.settings = Settings(model_dir=folder / "models")
        self.project, self.source = folder / "models" / "7", folder / "news.jsonl"
        self.project.mkdir(parents=True)
        add(self.project, str(lines(self.source, texts(range(5)))), "id", parse(XML))

    def lines(self, xml: str = XML, **said: Any) -> list[str]:
        """What is said of the dataset; `said`: by the server."""
        project, state = {**PROJECT, "label_config": xml}, {**HEALTHY.state, "dataset": SAID | said}
        dataset = look(self.settings, project, state)
        seen = replace(HEALTHY, project=project, state=state, dataset=dataset)
        return [line_of(one) for one in findings(seen) if one.name in NAMES]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_a_dataset_that_is_well_has_a_line_for_each_check(place: Place) -> None:
    assert place.lines() == [
        "ok    dataset         /data/news: 3 of its 5 items are tasks here so far; all are encoded",
        "ok    dataset files   All of its 2 parts are whole",
        f"ok    source          {place.source} is there, to add more from",
        "ok    columns         The labelling interface shows columns that the dataset has",
        "ok    open tasks      There is room for items of the dataset",
        "ok    disk            There is room for the vectors of the dataset",
    ]


def test_what_the_server_says_is_said_in_its_words(place: Place) -> None:
    lacks = {"sentence": "There is no room", "fix": "Make some", "is_now": True}
    found = place.lines(broken={"count": 2}, shortage=lacks, waits="9 tasks are in the way")
    assert found[0].startswith("hint  dataset         /data/news: 3 of its 5 items are")
    assert "wrong disk            There is no room. Fix: Make some" in found
    assert "wrong open tasks      9 tasks are in the way. Fix: Raise OPEN_TASKS, or" in found[4]
    assert "hint  disk" in place.lines(shortage={**lacks, "is_now": False})[-1]


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_part_that_is_damaged_or_missing_is_named(place: Place, harm: str) -> None:
    path = rows_of(place.project) / "00001.parquet"
    content = path.read_bytes()
    path.unlink() if harm == "gone" else path.write_bytes(content[: len(content) // 2])
    (line,) = [one for one in place.lines() if "dataset files" in one]
    assert line.startswith(f"wrong dataset files   {path}, a part of the dataset, cannot be read")
    assert line.endswith(". Fix: Take the dataset away and add it again (python -m backend pool "
                         "remove, then add): tasks and labels stay")  # fmt: skip


def test_parts_for_which_there_was_no_time_are_only_looked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.doctor.dataset_probes.PARTS_SECONDS", -1.0)
    assert place.lines()[1].endswith(
        "All of its 2 parts are there; 0 of them were read and are whole"
    )
    (rows_of(place.project) / "00001.parquet").unlink()
    assert place.lines()[1].startswith("wrong dataset files")


def test_a_record_that_is_damaged_is_named(place: Place) -> None:
    (folder_of(place.project) / "dataset.json").write_text("{")
    assert "which says what the dataset is, is damaged" in place.lines()[1]


def test_a_source_that_is_gone_is_a_hint_because_the_rows_were_copied(place: Place) -> None:
    place.source.rename(place.source.with_name("moved"))
    line = place.lines()[2]
    assert line.startswith("hint  source          Nothing more can be added: There is no file or")
    assert line.endswith("Fix: None needed if nothing is to be added: the rows were copied")


def test_a_bucket_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = f"s3://news/daily?endpoint_override=127.0.0.1:{port}&scheme=http"
        assert source_trouble(address, 2.0) == f"{address} did not answer within 2 s"


def test_columns_that_the_dataset_does_not_have_are_named(place: Place) -> None:
    line = place.lines(XML.replace("$text", "$body"))[3]
    assert line.startswith(
        "wrong columns         The labelling interface shows $body, which none of the 5 items that "
        "were looked at has; the first has id, text. People see nothing there"
    )
    rows = [{"id": 9, "text": "a", "body": "b"}]
    add(place.project, str(lines(place.source, rows)), "id", parse(XML))
    assert "$body, which 5 of the 6 items" in place.lines(XML.replace("$text", "$body"))[3]


def test_the_column_of_a_repeater_is_that_of_its_list(place: Place) -> None:
    """`$notes[{{i}}]`, which it repeats, is the name of no column."""
    notes = '<Repeater on="$notes" indexFlag="{{i}}"><Text name="n{{i}}" value="$notes[{{i}}]"/>'
    line = place.lines(XML.replace("<View>", f"<View>{notes}</Repeater>"))[3]
    assert "shows $notes, which none of the 5 items" in line


def test_files_that_are_elsewhere_are_said_to_be_not_checked(place: Place, tmp_path: Path) -> None:
    place.settings = replace(place.settings, model_dir=tmp_path)
    found = place.lines()
    assert [line[:22].rstrip() for line in found] == [
        "ok    dataset",
        "hint  dataset files",
        "ok    open tasks",
        "ok    disk",
    ]
    assert f"not in MODEL_DIR={tmp_path} here" in found[1]


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_a_cluster_without_ray_is_named(place: Place) -> None:
    place.settings = replace(place.settings, ray_address="head:6379")
    assert "wrong ray             RAY_ADDRESS=head:6379 is set, and Ray is not" in place.lines()[-1]


def test_a_cluster_that_nobody_answers_for_is_named(place: Place) -> None:
    pytest.importorskip("ray")
    place.settings = replace(place.settings, ray_address="127.0.0.1:1")
    assert "No Ray cluster answers at RAY_ADDRESS=127.0.0.1:1" in place.lines()[-1]
