"""What a project takes over from an earlier one, and what is refused."""

import errno
import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from backend.commands.connect import begin_with
from backend.errors import BackendError, CannotTransfer
from backend.interface.parse import EXAMPLE, parse
from backend.mirror.pool import Pool
from backend.project.beginning import Beginning, about, beginning_in_words
from backend.project.earlier_votes import EarlierVotes, places_of
from backend.project.encoder_spec import spec_of
from backend.project.transfer import take_over, take_over_for
from backend.queue.cleanup import delete_old_files
from backend.settings import Settings
from backend.studio.project import StudioProject
from backend.studio.session import Session
from backend.trainer.encoders import add_base_encoder, beginning_of
from backend.trainer.judge import judge_beginning
from backend.trainer.messages import AddBase, Judge
from backend.types import Json
from model.encoders.blending import blended
from model.encoders.joint import JointEncoder
from model.encoders.text import TextEncoder
from model.export import export
from model.heads.head import Head
from model.storage.damage import Damaged
from model.storage.earlier import (
    Earlier,
    Verdict,
    copy_folder,
    drop_earlier,
    earlier_of,
    keep_earlier,
    keep_verdict,
    read_facts,
    verdict_of,
    voting_encoder,
    weights_of,
    write_facts,
)
from model.storage.facts import VersionFacts
from model.storage.mend import mend
from model.storage.store import HERE, EncoderMeta, Store, Version, write_encoder_meta
from model.types import EncoderSpec, LabelGroup
from tests.backend.test_trainer import IGNORE, subject_of
from tests.backend.web import Answer, Web
from tests.model.test_export import small_encoder

TEXTS = ["The bank raised its rates.", "They won the cup.", "A film about a bank"]
NONE = np.zeros(0, np.int64)
DIMENSION = 32
PICTURES = EXAMPLE.replace("<Text", "<Image")


@pytest.fixture(scope="module")
def one_layer(one_layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With random weights and small states instead: these tests copy encoders 150 times."""
    folder: Path = tmp_path_factory.mktemp("small")
    small_encoder("bert", folder, TextEncoder(str(one_layer), 32))
    return folder


@pytest.fixture(scope="module")
def tuned(one_layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder that the earlier project tuned: the same network with other weights."""
    encoder = TextEncoder(str(one_layer), 32)
    for weight in encoder.network.parameters():
        weight.data.mul_(1.25)
    folder = tmp_path_factory.mktemp("tuned")
    encoder.save(folder)
    return folder


@pytest.fixture
def settings(tmp_path: Path, one_layer: Path) -> Settings:
    return Settings(model_dir=tmp_path, encoder=str(one_layer), max_tokens=32)


def head_of(labels: tuple[str, ...] = ("Sport", "Business")) -> Head:
    rng = np.random.default_rng(0)
    weights = rng.normal(0.0, 5.0, (DIMENSION, len(labels))).astype(np.float32)
    bias = np.zeros(len(labels), np.float32)
    return Head("single", labels, weights, bias, np.zeros(DIMENSION, np.float32))


def add_encoder(store: Store, settings: Settings, number: int, weights: Path | None) -> None:
    meta = EncoderMeta(settings.encoder, settings.encoder, settings.max_tokens, DIMENSION)
    with store.new_encoder(number) as folder:
        if weights is not None:
            shutil.copytree(weights, folder, dirs_exist_ok=True)
            meta = replace(meta, source=HERE, labels=412)
        write_encoder_meta(folder, meta)


def add_version(store: Store, name: str, head: Head | None) -> None:
    learnt = NONE if head is None else np.arange(3)
    encoder = int(name.split(".", maxsplit=1)[0])
    store.save_version(Version(name, encoder, head, learnt, NONE, NONE, VersionFacts()))


@pytest.fixture
def earlier(settings: Settings, tuned: Path) -> Store:
    """Project 3, which has tuned an encoder twice; the last one is not yet served."""
    store = Store(settings.model_dir / "3")
    add_encoder(store, settings, 0, None)
    add_encoder(store, settings, 7, tuned)
    add_encoder(store, settings, 8, tuned)
    add_version(store, "0.1", None)
    add_version(store, "7.1", head_of(("Other", "Labels")))
    add_version(store, "7.2", head_of())
    return store


def spec(settings: Settings) -> EncoderSpec:
    return spec_of(("text",), settings)


def encoded(encoder: JointEncoder) -> np.ndarray:
    return encoder.encode([(text,) for text in TEXTS])


def begun(settings: Settings, project: int) -> JointEncoder:
    """The encoder 0 that the trainer makes for the project."""
    subject = subject_of(settings.model_dir / str(project), EXAMPLE, spec(settings), settings)
    add_base_encoder(AddBase(subject), IGNORE)
    store = Store(subject.folder)
    store.check_encoder(0)
    return JointEncoder(subject.spec, store.tuned_folder(0))


def test_a_project_begins_half_way_to_the_encoder_of_the_earlier_one(
    earlier: Store, settings: Settings, tuned: Path
) -> None:
    taken = take_over("3", settings, 5, spec(settings))
    assert beginning_in_words(taken) == (
        "Begins with project 3's encoder 7, tuned on 412 labels, and with its head of 2 labels."
    )
    assert taken.head is not None
    np.testing.assert_array_equal(taken.head.weights, head_of().weights)
    half = encoded(blended(spec(settings), tuned))
    encoder = begun(settings, 5)
    np.testing.assert_allclose(encoded(encoder), half, atol=1e-6)
    assert np.abs(half - encoded(JointEncoder(spec(settings)))).max() > 0.01
    assert Store(settings.model_dir / "5").encoders()[0].earlier == "project 3's encoder 7"


def test_what_was_taken_over_stays_when_the_earlier_project_is_gone(
    earlier: Store, settings: Settings
) -> None:
    take_over("3", settings, 5, spec(settings))
    before = encoded(begun(settings, 5))
    for number in list(earlier.encoders()):
        earlier.delete_encoder(number)
    np.testing.assert_array_equal(encoded(begun_again(settings)), before)


def begun_again(settings: Settings) -> JointEncoder:
    """After encoder 0 was lost."""
    store = Store(settings.model_dir / "5")
    store.delete_encoder(0)
    subject = subject_of(store.folder, EXAMPLE, spec(settings), settings)
    add_base_encoder(AddBase(subject), IGNORE)
    (number,) = store.encoders()
    return JointEncoder(subject.spec, store.tuned_folder(number))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("5", "Project 5 cannot begin with itself"),
        ("4", r"holds no project 4; it holds 3"),
        ("nowhere/at/all", "There is no folder nowhere/at/all"),
    ],
)
def test_a_source_that_is_none_is_refused(
    earlier: Store, settings: Settings, source: str, message: str
) -> None:
    with pytest.raises(BackendError, match=message):
        take_over(source, settings, 5, spec(settings))
    assert not (settings.model_dir / "5").exists(), "nothing is written"


def test_a_project_that_has_an_encoder_already_is_refused(
    earlier: Store, settings: Settings, tuned: Path
) -> None:
    add_encoder(Store(settings.model_dir / "5"), settings, 0, None)
    with pytest.raises(CannotTransfer, match="Project 5 has an encoder already"):
        take_over("3", settings, 5, spec(settings))


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (PICTURES, "reads texts as wholes, and project 5 shows pictures"),
        (
            '<View><Text name="t" value="$text"/><Labels name="l" toName="t">'
            '<Label value="Person"/></Labels></View>',
            "project 5 shows texts in which spans are marked",
        ),
    ],
    ids=["pictures", "spans"],
)
def test_an_encoder_that_reads_something_else_is_refused(
    earlier: Store, settings: Settings, xml: str, message: str
) -> None:
    with pytest.raises(CannotTransfer, match=message):
        take_over_for("3", settings, 5, xml)


def test_an_encoder_of_another_network_is_refused_and_of_another_length_is_not(
    earlier: Store, settings: Settings
) -> None:
    other = replace(settings, encoder="x")
    message = f"made from ENCODER={settings.encoder}, and this backend has ENCODER=x"
    with pytest.raises(CannotTransfer, match=message):
        take_over("3", other, 5, spec(other))
    longer = replace(settings, max_tokens=64)
    take_over("3", longer, 5, spec(longer))
    assert begun(longer, 5).is_tunable
    assert Store(settings.model_dir / "5").encoders()[0].max_tokens == 64


def test_a_project_that_has_learnt_nothing_is_refused(settings: Settings) -> None:
    store = Store(settings.model_dir / "3")
    add_encoder(store, settings, 0, None)
    add_version(store, "0.1", None)
    with pytest.raises(CannotTransfer, match="Project 3 has learnt nothing yet"):
        take_over("3", settings, 5, spec(settings))


def test_of_a_project_that_never_tuned_the_head_alone_is_taken(settings: Settings) -> None:
    store = Store(settings.model_dir / "3")
    add_encoder(store, settings, 0, None)
    add_version(store, "0.1", head_of())
    taken = take_over("3", settings, 5, spec(settings))
    assert beginning_in_words(taken) == (
        "Begins with the pretrained encoder, for project 3 has tuned none, and with its head of 2 "
        "labels."
    )
    pretrained = JointEncoder(spec(settings))
    np.testing.assert_array_equal(encoded(begun(settings, 5)), encoded(pretrained))


def test_a_damaged_encoder_of_the_earlier_project_is_passed_over(
    earlier: Store, settings: Settings
) -> None:
    (earlier.encoder_folder(7) / "model.safetensors").write_bytes(b"")
    taken = take_over("3", settings, 5, spec(settings))
    assert taken.encoder == 8
    assert taken.head is None, "the last version is of encoder 7"


def test_another_source_takes_the_place_of_the_one_before(
    earlier: Store, settings: Settings
) -> None:
    """Connected with the wrong number, people connect again with the right one."""
    take_over("3", settings, 4, spec(settings))
    begun(settings, 4)
    add_version(Store(settings.model_dir / "4"), "0.1", head_of(("A", "B", "C")))
    take_over("3", settings, 5, spec(settings))
    taken = take_over("4", settings, 5, spec(settings))
    kept = earlier_of(Store(settings.model_dir / "5"))
    assert kept is not None
    assert kept.whose == taken.whose == "project 4's encoder 0"
    assert kept.head is not None
    assert kept.head.labels == ("A", "B", "C")


def begins(web: Web, settings: Settings) -> str:
    """What `connect --project 5 --from 3` prints of the beginning."""
    described = {"num_tasks_with_annotations": 0, "label_config": EXAMPLE}
    web.answers["/api/projects/5/"] = Answer(json.dumps(described).encode())
    return begin_with("3", StudioProject(Session(web.url, "token"), 5), settings)


def test_the_command_says_where_it_keeps_what_it_took_over(
    earlier: Store, settings: Settings, web: Web
) -> None:
    assert begins(web, settings) == (
        "Begins with project 3's encoder 7, tuned on 412 labels, and with its head of 2 labels. "
        f"This is kept in {settings.model_dir / '5'}, where the server must look: its status page "
        "says the same."
    )


def test_the_command_makes_no_folder_that_no_server_reads(
    earlier: Store, settings: Settings, tmp_path: Path, web: Web
) -> None:
    """With another MODEL_DIR than the server's it reported success, and nothing happened."""
    elsewhere = replace(settings, model_dir=tmp_path / "elsewhere")
    with pytest.raises(CannotTransfer, match=r"There is no folder MODEL_DIR=.*elsewhere, so"):
        begins(web, elsewhere)
    assert not elsewhere.model_dir.exists()


def test_an_exported_folder_gives_back_its_encoder_and_head(
    settings: Settings, tuned: Path, tmp_path: Path
) -> None:
    encoder, head, out = TextEncoder(str(tuned), 32), head_of(), tmp_path / "exported"
    export(encoder, head, out, {}, Earlier("project 3", spec(settings), 7, 412, head))
    taken = take_over(str(out), settings, 5, spec(settings))
    assert taken.head is not None
    np.testing.assert_array_equal(taken.head.weights, head.weights)
    weights = weights_of(Store(settings.model_dir / "5"))
    assert weights is not None
    before, after = (load_file(path / "model.safetensors") for path in (tuned, weights))
    assert {name for name in before if not name.startswith("pooler.")} <= set(after)
    for name in set(before) & set(after):
        if not name.startswith("pooler."):
            np.testing.assert_array_equal(after[name], before[name], name)
    again = TextEncoder(str(weights), 32)
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("model.safetensors", "cannot be read: its model.safetensors is cut off or empty"),
        ("origin/head.safetensors", "cannot be read: its head.safetensors is cut off or empty"),
        ("origin/meta.json", "cannot be read: its meta.json is cut off or empty"),
        ("origin/tokenizer.json", "cannot be read: its tokenizer.json is cut off or empty"),
    ],
)
def test_a_damaged_folder_is_refused(
    settings: Settings, tuned: Path, tmp_path: Path, damage: str, message: str
) -> None:
    out = exported(settings, tuned, tmp_path / "exported")
    (out / damage).write_bytes(b"")
    with pytest.raises(CannotTransfer, match=message):
        take_over(str(out), settings, 5, spec(settings))
    assert not (settings.model_dir / "5").exists()


def test_a_folder_that_an_earlier_release_exported_is_refused(
    settings: Settings, tuned: Path, tmp_path: Path
) -> None:
    export(TextEncoder(str(tuned), 32), head_of(), tmp_path / "exported", {})
    with pytest.raises(CannotTransfer, match="no folder that this release exported"):
        take_over(str(tmp_path / "exported"), settings, 5, spec(settings))


def test_labels_that_speak_for_the_pretrained_encoder_bring_it_back(
    earlier: Store, settings: Settings
) -> None:
    taken = take_over("3", settings, 5, spec(settings))
    store = Store(settings.model_dir / "5")
    subject = subject_of(store.folder, EXAMPLE, spec(settings), settings)
    beginning, fits = Beginning(store), spec(settings)
    assert not beginning.is_to_be_judged(fits, 19)
    assert beginning.is_to_be_judged(fits, 20)
    keep_verdict(store, Verdict(20, earlier=-1.0, pretrained=-1.5, error=0.4))
    assert not beginning.is_to_be_judged(fits, 29)
    assert beginning.is_to_be_judged(fits, 30)
    assert beginning_of(subject).whose == taken.whose
    assert beginning.sentence().endswith(
        "At 20 labels this encoder fits them better than the pretrained one."
    )
    keep_verdict(store, Verdict(30, earlier=-1.5, pretrained=-1.0, error=0.4))
    assert not beginning.is_to_be_judged(fits, 1000)
    assert beginning_of(subject).weights is None
    assert beginning.sentence().endswith(
        "At 30 labels the pretrained encoder fits them better, and has taken its place."
    )


def test_nothing_is_said_for_an_encoder_that_nothing_could_be_compared_with() -> None:
    """Both counted as equally good where too few tasks could be read."""
    (sentence,) = about(Verdict(20, 0.0, 0.0, 0.0))
    assert sentence == (
        "At 20 labels too few labelled tasks could be read to compare this encoder with the "
        "pretrained one."
    )


def test_an_earlier_encoder_that_was_set_aside_while_the_server_runs_is_no_longer_judged(
    earlier: Store, settings: Settings
) -> None:
    """What had been read before was kept, and comparisons of nothing followed without an end."""
    take_over("3", settings, 5, spec(settings))
    store = Store(settings.model_dir / "5")
    beginning = Beginning(store)
    assert beginning.is_to_be_judged(spec(settings), 24)
    (store.folder / "encoders" / "earlier" / "encoder" / "model.safetensors").write_bytes(b"")
    assert len(mend(store, 1_800_000_000.0)) == 1
    assert not beginning.is_to_be_judged(spec(settings), 24)
    assert beginning.earlier() is None
    assert beginning.sentence() == ""


def test_what_was_taken_over_and_is_damaged_is_set_aside(
    earlier: Store, settings: Settings
) -> None:
    take_over("3", settings, 5, spec(settings))
    store = Store(settings.model_dir / "5")
    assert mend(store, 1_800_000_000.0) == []
    (store.folder / "encoders" / "earlier" / "encoder" / "model.safetensors").write_bytes(b"")
    (sentence,) = mend(store, 1_800_000_000.0)
    assert sentence.startswith(
        "What the earlier project left was damaged (its model.safetensors is cut off or empty). "
        "Deep rounds begin with the pretrained encoder from now on."
    )
    assert earlier_of(store) is None


def test_a_copy_that_fails_in_the_middle_leaves_nothing(settings: Settings) -> None:
    store = Store(settings.model_dir / "5")

    def fail(folder: Path) -> None:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    earlier = Earlier("project 3", spec(settings), 7, 412, head_of())
    with pytest.raises(OSError, match="No space left"):
        keep_earlier(store, earlier, fail)
    assert earlier_of(store) is None
    assert list((store.folder / "encoders").iterdir()) == []


def exported(settings: Settings, tuned: Path, folder: Path) -> Path:
    head = head_of()
    origin = Earlier("project 3", spec(settings), 7, 412, head)
    export(TextEncoder(str(tuned), 32), head, folder, {}, origin)
    return folder


@pytest.mark.parametrize("is_folder", [False, True], ids=["project", "folder"])
def test_a_full_disk_is_no_change_of_the_earlier_project(
    earlier: Store, settings: Settings, tuned: Path, tmp_path: Path, is_folder: bool
) -> None:
    """It was called one, and the copy was not tried again once there was room."""
    source = str(exported(settings, tuned, tmp_path / "exported")) if is_folder else "3"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as found:
            take_over(source, settings, 5, spec(settings))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert found.value.errno == errno.EFBIG, "one error, not a list of all files that failed"
    assert earlier_of(Store(settings.model_dir / "5")) is None
    assert take_over(source, settings, 5, spec(settings)).encoder == 7


def test_a_file_that_goes_away_in_the_copy_is_named(tmp_path: Path) -> None:
    source = tmp_path / "exported"
    source.mkdir()
    (source / "config.json").symlink_to(source / "deleted")
    with pytest.raises(FileNotFoundError) as found:
        copy_folder(source, tmp_path / "copy")
    assert found.value.filename == str(source / "config.json")


def test_a_copy_is_whole_but_for_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/one", "a/meta.json", "a/b/two"):
        (tmp_path / name).write_text(name)
    copy_folder(tmp_path / "a", tmp_path / "copy", ("meta.json",))
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert {path.name: path.read_text() for path in files} == {"one": "a/one", "two": "a/b/two"}


def test_an_earlier_encoder_that_cannot_be_loaded_gives_way_to_the_pretrained_one(
    earlier: Store, settings: Settings
) -> None:
    """The project had no encoder for good."""
    take_over("3", settings, 5, spec(settings))
    store = Store(settings.model_dir / "5")
    (store.folder / "encoders" / "earlier" / "encoder" / "config.json").write_text("{}")
    subject = subject_of(store.folder, EXAMPLE, spec(settings), settings)
    found = add_base_encoder(AddBase(subject), IGNORE)
    assert (found["encoder"], found["from"]) == (0, settings.encoder)
    assert found["trouble"].startswith("project 3's encoder 7 cannot be loaded (")
    assert (
        "The project begins with the pretrained encoder. What was there is kept as "
        in (found["trouble"])
    )
    assert store.encoders()[0].earlier == ""
    assert earlier_of(store) is None
    assert beginning_of(subject).weights is None, "so do deep rounds"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "1"}, "its meta.json is not what was written"),
        ({"origin": 3}, "its meta.json is not what was written"),
        ({"labels": "many"}, "its meta.json is not what was written"),
        ({"head": [1]}, "its meta.json is not what was written"),
        ({"spec": {"layout": ["smell"], "text": "", "image": "", "max_tokens": 3}}, "its meta"),
        ({"head": {"kind": "single", "classes": ["Yes"]}}, "its head.safetensors does not hold"),
        ({"head": {"kind": "odd", "classes": ["A", "B"]}}, "its head.safetensors does not hold"),
    ],
    ids=["format", "origin", "labels", "head", "layout", "classes", "kind"],
)
def test_facts_of_another_shape_are_damage(
    settings: Settings, tmp_path: Path, change: Json, message: str
) -> None:
    """They ended in a traceback, some of them long after the folder was taken over."""
    write_facts(tmp_path, Earlier("project 3", spec(settings), 7, 412, head_of()))
    facts = json.loads((tmp_path / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps({**facts, **change}))
    with pytest.raises(Damaged, match=message):
        read_facts(tmp_path)


def labelled(folder: Path) -> None:
    """A project of the twenty-four stories, all labelled."""
    with closing(Pool(folder / "pool.sqlite")) as pool:
        rows = [row_of(number, text, number < 12) for number, text in enumerate(stories())]
        pool.update(rows, parse(EXAMPLE))


def stories() -> list[str]:
    """Twenty-four texts: half of them of sport, half of business."""
    sport = [f"The team won match {number} after a late goal." for number in range(12)]
    business = [f"The bank raised its interest to {number} per cent." for number in range(12)]
    return [*sport, *business]


def row_of(number: int, text: str, is_sport: bool) -> Json:
    value = {"choices": ["Yes" if is_sport else "No"]}
    result = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
    return {
        "id": number,
        "data": {"text": text},
        "annotations": [{"id": number, "result": [result]}],
    }


def test_an_encoder_that_tells_nothing_apart_gives_way_to_the_pretrained_one(
    earlier: Store, settings: Settings
) -> None:
    """The networks of the earlier project are useless here: all its vectors are alike."""
    weights = TextEncoder(settings.encoder, 32)
    for weight in weights.network.parameters():
        weight.data.mul_(-1.0)
    weights.save(earlier.encoder_folder(7))
    taken = take_over("3", settings, 5, spec(settings))
    folder = settings.model_dir / "5"
    labelled(folder)
    store, subject = Store(folder), subject_of(folder, EXAMPLE, spec(settings), settings)
    add_base_encoder(AddBase(subject), IGNORE)
    judge_beginning(Judge(subject, 24, False, True), IGNORE)
    verdict = verdict_of(store)
    assert verdict is not None
    assert (verdict.labels, verdict.stays) == (24, False)
    first, second = store.encoders().values()
    assert (first.earlier, second.earlier) == (taken.whose, "")
    pretrained = JointEncoder(spec(settings), store.tuned_folder(1))
    np.testing.assert_array_equal(encoded(pretrained), encoded(JointEncoder(spec(settings))))
    assert judge_beginning(Judge(subject, 48, False, True), IGNORE) == {}, "that is settled"


def test_the_verdict_is_kept_once_the_pretrained_encoder_is_there(
    earlier: Store, settings: Settings
) -> None:
    """After a failure in between, the page said that it had taken the place, and it never came."""
    weights = TextEncoder(settings.encoder, 32)
    for weight in weights.network.parameters():
        weight.data.mul_(-1.0)
    weights.save(earlier.encoder_folder(7))
    take_over("3", settings, 5, spec(settings))
    folder = settings.model_dir / "5"
    labelled(folder)
    store, subject = Store(folder), subject_of(folder, EXAMPLE, spec(settings), settings)
    add_base_encoder(AddBase(subject), IGNORE)
    in_the_way = folder / "encoders" / "1.unfinished"
    in_the_way.write_text("so that no folder of this name can be made")
    with pytest.raises(NotADirectoryError):
        judge_beginning(Judge(subject, 24, False, True), IGNORE)
    assert verdict_of(store) is None
    assert Beginning(store).is_to_be_judged(spec(settings), 24)
    in_the_way.unlink()
    judge_beginning(Judge(subject, 24, False, True), IGNORE)
    assert [meta.earlier for meta in store.encoders().values()] == ["project 3's encoder 7", ""]


ASKED = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    '<Choice value="Sport"/><Choice value="Economy"/><Choice value="film"/><Choice value="Film "/>'
    "</Choices></View>"
)
MORE = ASKED.replace(
    "</View>",
    '<Choices name="tone" toName="text"><Choice value="Calm"/><Choice value="Sport"/></Choices>'
    "</View>",
)


@pytest.mark.parametrize(
    ("xml", "labels", "places"),
    [
        (ASKED, ("Sport", "Weather", "Economy"), {0: 0, 2: 1}),
        (ASKED, (" sport ", "ECONOMY"), {0: 0, 1: 1}),
        (ASKED, ("Business",), {0: 1}),
        (ASKED, ("film", "FILM"), {0: 2}),
        (MORE, ("Calm", "Sport", "topic: Sport"), {0: 4, 2: 0}),
    ],
    ids=["exactly", "case and spaces", "a former name", "not two at once", "several questions"],
)
def test_labels_of_the_same_name_are_found(
    xml: str, labels: tuple[str, ...], places: dict[int, int]
) -> None:
    config = parse(xml, aliases={"Business": "Economy"})
    assert places_of(head_of(labels), config) == places


def test_an_earlier_head_of_several_questions_is_asked_by_the_names_of_its_answers() -> None:
    groups = (LabelGroup("single", 0, 1), LabelGroup("single", 1, 2))
    there = replace(head_of(("topic: Sport", "tone: Calm")), groups=groups)
    assert places_of(there, parse(ASKED)) == {0: 0}


def test_the_earlier_head_votes_on_the_vectors_of_the_encoder_that_the_project_began_with(
    earlier: Store, settings: Settings
) -> None:
    """Also when a newer encoder ranks; a task without a vector by the first one has no vote."""
    assert EarlierVotes(earlier, Beginning(earlier))(np.arange(3), parse(ASKED)) == ()
    taken = take_over("3", settings, 5, spec(settings))
    store, config = Store(settings.model_dir / "5"), parse(ASKED)
    votes = EarlierVotes(store, Beginning(store))
    assert votes(np.arange(3), config) == (), "the encoder is not there yet"
    encoder = begun(settings, 5)
    keys = np.array([5, 6, 7, 8])
    store.vectors(0).append(keys[1:], encoded(encoder))
    (source,) = votes(keys, config)
    assert source.name == "project 3"
    assert taken.head is not None
    centred_there = replace(taken.head, centre=encoded(encoder).astype(np.float16).mean(axis=0))
    said = centred_there.answers(centred_there.probs(encoded(encoder).astype(np.float16)))
    expected = {row + 1 for row in np.flatnonzero(said[:, 0]).tolist()}
    assert set(source.rows.tolist()) == expected, "of Sport and Business, only Sport is asked here"
    assert votes(keys, config)[0] is source, "it is not computed again for the same tasks"
    assert votes(keys, parse(EXAMPLE)) == (), "no label has the same name"


MARKED = (
    '<View><Text name="text" value="$text"/><Labels name="what" toName="text">'
    '<Label value="Team"/><Label value="Bank"/></Labels></View>'
)
TWO = (
    '<View><Text name="text" value="$text"/><Choices name="a" toName="text"><Choice value="Yes"/>'
    '<Choice value="No"/></Choices><Choices name="b" toName="text"><Choice value="Yes"/>'
    '<Choice value="No"/></Choices></View>'
)


def spans_of(number: int, text: str) -> Json:
    """The text with its second word marked."""
    start = text.index(" ") + 1
    end = text.index(" ", start)
    value = {"start": start, "end": end, "text": text[start:end]}
    value |= {"labels": ["Team" if number < 12 else "Bank"]}
    result = {"from_name": "what", "to_name": "text", "type": "labels", "value": value}
    annotation = {"id": number, "result": [result]}
    return {"id": number, "data": {"text": text}, "annotations": [annotation]}


def two_questions(number: int, text: str) -> Json:
    """The answer to the first of two questions, and of every second text to the other one, which
    nothing in the text tells."""
    (first,) = row_of(number, text, number < 12)["annotations"][0]["result"]
    second = {**first, "from_name": "b", "value": {"choices": ["Yes" if number % 4 == 1 else "No"]}}
    given = [{**first, "from_name": "a"}, *([second] if number % 2 else [])]
    annotation = {"id": number, "result": given}
    return {"id": number, "data": {"text": text}, "annotations": [annotation]}


@pytest.mark.parametrize(
    ("xml", "row"), [(MARKED, spans_of), (TWO, two_questions)], ids=["spans", "two questions"]
)
def test_whatever_is_labelled_says_something_of_the_earlier_encoder(
    settings: Settings, tuned: Path, xml: str, row: Callable[[int, str], Json]
) -> None:
    config, folder = parse(xml), settings.model_dir / "5"
    store, own = Store(folder), spec_of(config.layout, settings)
    earlier = Earlier("project 3", own, 7, 412, None)
    keep_earlier(store, earlier, partial(shutil.copytree, tuned))
    with closing(Pool(folder / "pool.sqlite")) as pool:
        pool.update([row(number, text) for number, text in enumerate(stories())], config)
    subject = subject_of(folder, xml, own, settings)
    add_base_encoder(AddBase(subject), IGNORE)
    judge_beginning(Judge(subject, 24, False, True), IGNORE)
    verdict = verdict_of(store)
    assert verdict is not None
    assert verdict.labels == 24
    assert -3.0 < verdict.earlier < -0.01
    assert -3.0 < verdict.pretrained < -0.01
    assert 0.0 < verdict.error < 1.0


def test_the_encoder_that_the_earlier_head_reads_is_never_cleaned_away(
    earlier: Store, settings: Settings, tuned: Path
) -> None:
    """Four deep rounds later its vectors are still what the head votes on."""
    take_over("3", settings, 5, spec(settings))
    begun(settings, 5)
    store = Store(settings.model_dir / "5")
    for number in (1, 2, 3, 4):
        add_encoder(store, settings, number, tuned)
    add_version(store, "4.1", head_of())
    delete_old_files(store, store.load_version("4.1"), [], ())
    assert list(store.encoders()) == [0, 2, 3, 4]
    drop_earlier(store)
    delete_old_files(store, store.load_version("4.1"), [], ())
    assert list(store.encoders()) == [2, 3, 4]


def test_a_process_that_is_killed_in_the_copy_leaves_nothing_that_counts(
    earlier: Store, settings: Settings
) -> None:
    """SIGKILL while the weights are written: there is no earlier project then, and the same command
    takes over the whole of it."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from model.storage.earlier import Earlier, keep_earlier\n"
        "from model.storage.store import Store\n"
        "from model.types import EncoderSpec\n"
        "def write(folder):\n"
        "    folder.mkdir()\n"
        "    (folder / 'model.safetensors').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "spec = EncoderSpec(('text',), 'base', '', 32)\n"
        "keep_earlier(Store(Path(sys.argv[1])), Earlier('project 3', spec, 7, 412, None), write)\n"
    )
    store = Store(settings.model_dir / "5")
    command = [sys.executable, "-c", code, str(store.folder)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert [path.name for path in (store.folder / "encoders").iterdir()] == ["earlier.unfinished"]
    assert earlier_of(store) is None
    take_over("3", settings, 5, spec(settings))
    assert [path.name for path in (store.folder / "encoders").iterdir()] == ["earlier"]
    assert begun(settings, 5).is_tunable


def test_a_restored_folder_still_knows_where_the_project_began(
    earlier: Store, settings: Settings
) -> None:
    taken = take_over("3", settings, 5, spec(settings))
    begun(settings, 5)
    folder = settings.model_dir / "5"
    keep_verdict(Store(folder), Verdict(20, earlier=-1.0, pretrained=-1.5, error=0.4))
    shutil.copytree(folder, settings.model_dir / "backup")
    shutil.rmtree(folder)
    shutil.rmtree(earlier.folder)
    shutil.move(settings.model_dir / "backup", folder)
    store = Store(folder)
    assert mend(store, 1_800_000_000.0) == []
    assert voting_encoder(store) == 0
    assert Beginning(store).sentence().startswith(beginning_in_words(taken))
    subject = subject_of(folder, EXAMPLE, spec(settings), settings)
    assert beginning_of(subject).whose == taken.whose, "deep rounds begin with it"
