"""The jobs about a dataset, done by this process or by a Ray cluster.

What needs a cluster is skipped where Ray is not installed: pip install "ray[data]".
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from backend.dataset.adding import add
from backend.dataset.record import encoded_parts, folder_of, rows_of, vectors_of
from backend.dataset.shortlist import read_shortlist
from backend.dev.local import free_port
from backend.errors import BackendError
from backend.interface.parse import EXAMPLE, parse
from backend.settings import Settings
from backend.trainer import items
from backend.trainer.encoders import add_base_encoder
from backend.trainer.item_work import Encoding, record_of
from backend.trainer.items import encode_items, rank_items
from backend.trainer.messages import AddBase, EncodeItems, RankItems, Subject
from model.dataset.engine import Cluster, EngineFailed
from model.dataset.parts import RowParts, VectorParts
from model.dataset.ray import Ray
from model.types import EncoderSpec, Floats
from tests.backend.test_trainer import IGNORE, subject_of

PART, PARTS = 40, 3


@pytest.fixture
def subject(tmp_path: Path, one_layer: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A project with an encoder and a dataset of three parts."""
    monkeypatch.setattr("model.dataset.sizes.PART_ITEMS", PART)
    monkeypatch.setattr(items, "TURN_SECONDS", 0.0)
    dataset = tmp_path / "news.csv"
    rows = [f"{n},Text {n} about {'cats' if n % 2 else 'dogs'}\n" for n in range(PARTS * PART)]
    dataset.write_text("id,text\n" + "".join(rows))
    folder = tmp_path / "7"
    folder.mkdir()
    spec = EncoderSpec(("text",), str(one_layer), "", 32)
    subject = subject_of(folder, EXAMPLE, spec, Settings())
    add(folder, str(dataset), "id", parse(EXAMPLE))
    add_base_encoder(AddBase(subject), IGNORE)
    return subject


def encode_all(subject: Subject, cluster: Cluster | None) -> list[int]:
    """Encode the dataset; how many parts were left after each turn."""
    left: list[int] = []
    while not left or left[-1]:
        left.append(encode_items(EncodeItems(subject, 0, cluster), IGNORE)["left"])
    return left


def vectors(subject: Subject) -> Floats:
    parts = VectorParts(vectors_of(subject.folder, 0), 384)
    return np.concatenate([parts.read(number) for number in parts.numbers()])


def rank(subject: Subject, cluster: Cluster | None) -> tuple[list[str], str]:
    """The items that are to be imported next, and what went wrong."""
    facts = rank_items(RankItems(subject, 0, "", 20, "margin", 0.1, True, False, cluster), IGNORE)
    shortlist = read_shortlist(subject.folder)
    assert shortlist is not None
    return [item.id for item in shortlist.items], facts.get("trouble", "")


def test_each_turn_of_this_process_encodes_a_part(subject: Subject) -> None:
    assert encode_all(subject, None) == [2, 1, 0]
    assert vectors(subject).shape == (PARTS * PART, 384)
    assert np.isfinite(vectors(subject)).all()


def test_vectors_of_a_dataset_that_was_replaced_are_not_kept(subject: Subject) -> None:
    """The new dataset would have had the vectors of the old one under its own items."""
    work = Encoding(subject, 0)(1)
    assert next(work) is None
    rows = RowParts(rows_of(subject.folder))
    rows.write(1, rows.items(0))
    with pytest.raises(BackendError, match="was taken away"):
        list(work)
    assert not encoded_parts(subject.folder, 0, record_of(subject))


def test_a_dataset_that_was_taken_away_is_not_half_written_again(subject: Subject) -> None:
    work = Encoding(subject, 0)(1)
    assert next(work) is None
    folder_of(subject.folder).rename(subject.folder / "gone")
    with pytest.raises(BackendError, match="was taken away"):
        list(work)
    assert not folder_of(subject.folder).exists()


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_a_cluster_without_ray_is_named(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset is ranked all the same: people wait for what is imported next."""
    monkeypatch.setattr(items, "ALONE_ITEMS", 0)
    cluster = Cluster("auto", 1.0, 0.0)
    with pytest.raises(EngineFailed, match=r"Ray is not installed here: pip install"):
        encode_all(subject, cluster)
    found, trouble = rank(subject, cluster)
    assert (found, "") == rank(subject, None)
    assert "Ray is not installed" in trouble and "ranks the dataset alone" in trouble


RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]


class Nodes:
    """A cluster of one node with one processor on this machine."""

    def __init__(self, temporary: Path) -> None:
        port = free_port()
        options = [f"--port={port}", f"--temp-dir={temporary}", "--num-cpus=1"]
        quiet = ["--include-dashboard=false", "--disable-usage-stats"]
        started = [*RAY, "start", "--head", "--node-ip-address=127.0.0.1", *options, *quiet]
        subprocess.run(started, capture_output=True, check=True)
        self.cluster = Cluster(f"127.0.0.1:{port}", 1.0, 0.0)
        self._mark = str(temporary)

    def kill(self) -> None:
        """All its processes, which name its folder."""
        found = subprocess.run(["pgrep", "-f", self._mark], capture_output=True, check=False)
        for number in map(int, found.stdout.split()):
            os.kill(number, signal.SIGKILL)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    pytest.importorskip("ray")
    found = Nodes(Path(f"/tmp/ray-{os.getpid()}"))  # names of sockets are short
    yield found
    found.kill()


def test_a_cluster_encodes_and_ranks_what_this_process_would(
    subject: Subject, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "ALONE_ITEMS", 0)
    monkeypatch.setattr(items, "ITEMS_TOGETHER", PART)
    assert encode_all(subject, nodes.cluster)[-1] == 0
    found = vectors(subject)
    chosen, trouble = rank(subject, nodes.cluster)
    assert not trouble
    assert chosen == rank(subject, None)[0]
    for path in vectors_of(subject.folder, 0).iterdir():
        path.unlink()
    encode_all(subject, None)
    np.testing.assert_array_equal(found, vectors(subject))


def failure(subject: Subject, cluster: Cluster) -> str:
    """What encoding on this cluster says."""
    with pytest.raises(EngineFailed) as raised:
        encode_all(subject, cluster)
    return str(raised.value)


def test_an_address_at_which_nobody_answers_is_named(subject: Subject) -> None:
    pytest.importorskip("ray")
    address = f"127.0.0.1:{free_port()}"
    assert f"No Ray cluster answers at RAY_ADDRESS={address}" in failure(
        subject, Cluster(address, 1.0, 0.0)
    )


def test_workers_for_which_no_node_has_room_are_named(subject: Subject, nodes: Nodes) -> None:
    """They waited for a node with a GPU for ever."""
    said = failure(subject, Cluster(nodes.cluster.address, 1.0, 1.0))
    assert (
        "No node of the Ray cluster has RAY_WORKER_CPUS=1 processors and RAY_WORKER_GPUS=1" in said
    )


def test_a_worker_that_does_not_see_the_folder_is_named(nodes: Nodes, tmp_path: Path) -> None:
    spec = EncoderSpec(("text",), "none", "", 32)
    elsewhere = subject_of(tmp_path / "elsewhere", EXAMPLE, spec, Settings())
    with pytest.raises(EngineFailed, match=r"does not see .*elsewhere\. Every node"):
        list(Ray(nodes.cluster).map(partial(Encoding, elsewhere, 0), [0]))


def test_a_cluster_that_goes_in_the_middle_is_named(subject: Subject, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    nodes = Nodes(Path(f"/tmp/ray-{os.getpid()}-gone"))
    # Far more work than can be done until it is gone.
    done = Ray(nodes.cluster).map(partial(Encoding, subject, 0), [0, 1, 2] * 100)
    while next(done) is None:
        pass
    nodes.kill()
    with pytest.raises(EngineFailed, match=r"connection to the Ray cluster at .* was lost"):
        list(done)
    assert encoded_parts(subject.folder, 0, record_of(subject)) >= 1, "what was finished is kept"
