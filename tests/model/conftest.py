from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from model.encoders.text import TextEncoder

Load = Callable[[], TextEncoder]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Two threads on a shared machine wait for each other: fifteen times slower, measured."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def load(one_layer: Path) -> Load:
    """Loads a fresh encoder of one layer, as each training changes its encoder in place."""
    return lambda: TextEncoder(str(one_layer), 32)
