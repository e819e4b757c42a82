"""Two servers on one MODEL_DIR fought in its folders, and neither said so."""

import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import ModelDirInUse
from backend.folder.lock import held


def test_a_second_one_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first = held(tmp_path / "models", patience=0.0)
    with pytest.raises(ModelDirInUse, match="Another backend works in MODEL_DIR"):
        held(tmp_path / "models", patience=0.0)
    with held(tmp_path / "others", patience=0.0):
        pass
    first.close()
    held(tmp_path / "models", patience=0.0).close()


def test_a_child_process_does_not_have_it(tmp_path: Path) -> None:
    """A trainer that outlives its server must not keep the next server out."""
    lock = held(tmp_path, patience=0.0)
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, close_fds=False) as child:
        lock.close()
        held(tmp_path, patience=5.0).close()  # the kernel closes what a child has in a moment
        child.communicate(b"\n")
