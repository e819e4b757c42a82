from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from model.encoders.text import BUNDLED, TextEncoder

Load = Callable[[], TextEncoder]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Two threads on a shared machine wait for each other: fifteen times slower, measured."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Loads a fresh encoder of one layer, as each training changes its encoder in place."""
    folder: Path = tmp_path_factory.mktemp("one-layer")
    whole = TextEncoder(BUNDLED, 32)
    whole.network.encoder.layer = whole.network.encoder.layer[:1]
    whole.network.config.num_hidden_layers = 1
    whole.save(folder)
    return lambda: TextEncoder(str(folder), 32)
