"""Two minutes of `make soak`."""

from pathlib import Path

from tests.soak.soak import soak
from tests.studio.migrated import put_migrated


def test_two_minutes_of_chaos_lose_nothing(label_studio_program: str, tmp_path: Path) -> None:
    put_migrated(tmp_path, label_studio_program)
    report = soak(2.0, seed=0, folder=tmp_path, label_studio=label_studio_program)
    print(report.text())
    assert report.failed() == []
    assert int(str(report.counts["kills"])) >= 8
    assert int(str(report.counts["submits"])) > 0
