"""How a version comes to be served by Label Studio: its shortlist is written, then switched to.

Label Studio orders its queue by the scores of `project.model_version`, and only under the sampling
mode "Uncertainty sampling"; with anything else the queue is silently random. So: import first
(`write`), switch second (backend.queue.upkeep), delete much later (backend.queue.cleanup).
"""

import time

from backend.errors import StudioError
from backend.mirror.pool import Pool
from backend.studio.project import StudioProject
from backend.types import Json

SAMPLING = "Uncertainty sampling"


def write(studio: StudioProject, pool: Pool, predictions: list[Json]) -> None:
    """Import the predictions, all of one version; nobody sees them before the switch.

    Raises StudioError when Label Studio kept fewer than were sent: it silently drops those that it
    rejects. The old version is then still served, complete.
    """
    version = predictions[0]["model_version"]
    # Recorded before the import: whatever happens now, the clean-up will know this version.
    pool.add_published(version, time.time())
    created = studio.import_predictions(predictions)
    if created != len(predictions):
        raise StudioError(
            f"Label Studio kept {created} of {len(predictions)} predictions of version {version}. "
            "It drops those that do not fit the labelling interface; the next round uses the "
            "interface as it is then"
        )


def as_we_left_it(project: Json, version: str, xml: str) -> bool:
    """Whether Label Studio's description of a project is what our own switch made of it."""
    ours = {"model_version": version, "sampling": SAMPLING, "label_config": xml}
    return all(project.get(name) == value for name, value in ours.items())


def out_of_order(project: Json, version: str) -> Json:
    """The settings that settings pages have overwritten, according to Label Studio's description of
    the project, with the values that they must have.

    A stale settings page writes back an old `model_version`, switching off pre-annotations empties
    it, and the community edition's pages cannot undo a change of the sampling mode.
    """
    wanted = {"model_version": version, "sampling": SAMPLING}
    return {name: value for name, value in wanted.items() if project.get(name) != value}
