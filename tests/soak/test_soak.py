"""Two minutes of `make soak`."""

import os
from pathlib import Path

import pytest

from tests.soak.soak import soak
from tests.studio.migrated import put_migrated


def test_two_minutes_of_chaos_lose_nothing(tmp_path: Path) -> None:
    executable = os.environ.get("LABEL_STUDIO_BIN")
    if not executable:
        pytest.skip("LABEL_STUDIO_BIN names no Label Studio; `make test` installs one and sets it")
    put_migrated(tmp_path, executable)
    report = soak(2.0, seed=0, folder=tmp_path, label_studio=executable)
    print(report.text())
    assert report.failed() == []
    assert int(str(report.counts["kills"])) >= 8
    assert int(str(report.counts["submits"])) > 0
