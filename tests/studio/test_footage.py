"""Clips that a network of videos reads as wholes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.types import Json
from model.storage.store import Store
from tests.backend.web import Web
from tests.benchmarks.media import write_clip
from tests.model.videos import video_network
from tests.studio.bench import Bench, choices, partly_labelled
from tests.studio.test_shown_media import CLIPS, served

# Where Label Studio keeps the labels makes no difference here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(tmp_path_factory: pytest.TempPathFactory, files: Web) -> dict[str, object]:
    network = video_network(tmp_path_factory.mktemp("network"))
    return {"video_encoder": str(network), "image_encoder": "none", "media_hosts": files.host}


def test_movements_are_told_apart_before_any_deep_round(
    bench: Bench, files: Web, tmp_path: Path
) -> None:
    """A clip gets brighter or darker: each frame of one kind is a frame of the other, too."""
    rng = np.random.default_rng(0)
    tasks: list[Json] = []
    for number in range(40):
        kind, levels = ("red", range(40, 201, 40)) if number % 2 else ("blue", range(200, 39, -40))
        pixels = [rng.normal(level, 20.0, (24, 24, 3)) for level in levels]
        frames = [Image.fromarray(one.clip(0, 255).astype(np.uint8)) for one in pixels]
        file = tmp_path / f"footage-{number}.mp4"  # other clips are cached by their address
        write_clip(file, frames)
        tasks.append({"clip": served(files, file), "title": "Clip", "is": kind})
    project = bench.connected(partly_labelled(tasks, 24, lambda task: choices([task["is"]])), CLIPS)
    version = bench.followed(project)
    store = Store(bench.models / str(project))
    assert store.encoders()[0].spec.layout == ("text", "footage")
    assert bench.state(project)["trouble"] is None
    is_known = {task["id"]: task["data"]["is"] for task in bench.studio.of(project).tasks()}
    said = {
        row["task"]: [one for region in row["result"] for one in region["value"]["choices"]]
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == version.name
    }
    assert len(said) == 16
    assert sum(said[task] == [is_known[task]] for task in said) >= 13
