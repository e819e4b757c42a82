"""A short `make soak`: one storm."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.soak.chaos import DECK, STORM
from tests.soak.soak import soak
from tests.studio.migrated import put_migrated

CALM = 12.0
"""Seconds in which a deep round of a small encoder comes to its end."""


def test_a_storm_loses_nothing(label_studio_program: str, tmp_path: Path, one_layer: Path) -> None:
    put_migrated(tmp_path, label_studio_program)
    minutes = (STORM + CALM) / 60.0
    report = soak(minutes, 0, tmp_path, label_studio_program, calm=CALM, encoder=one_layer)
    print(report.text())
    assert report.failed() == []
    assert troubles(report.counts) == troubles(DECK)
    assert int(str(report.counts["submits"])) > 0


def troubles(counts: Mapping[str, object]) -> Counter[str]:
    """How often each trouble came. Kills together: a trainer that is not there when it is to be
    killed is spared, and the server is killed instead."""
    came = Counter({event: int(str(counts.get(event, 0))) for event in DECK})
    came["kill"] = came.pop("kill the server") + came.pop("kill the trainer")
    return came
