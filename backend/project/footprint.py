"""What a project's folder says of what the backend changed in Label Studio."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.queue.upkeep import BEFORE, OWN_ADDRESS

DEFAULT_SAMPLING = "Sequential sampling"
"""The mode of a new project."""


@dataclass(frozen=True)
class Footprint:
    """address: of the backend as Label Studio lists it, "" if unknown; sampling: the mode before
    the backend changed it; versions: whose predictions it wrote and did not delete yet."""

    address: str = ""
    sampling: str = DEFAULT_SAMPLING
    versions: tuple[str, ...] = ()


def footprint_of(folder: Path) -> Footprint:
    """The footprint that a project's folder knows of; the default where there is no folder."""
    path = folder / MIRROR
    if not path.is_file():
        return Footprint()
    with closing(Pool(path)) as pool:
        return Footprint(
            pool.fact(OWN_ADDRESS) or "",
            pool.fact(BEFORE) or DEFAULT_SAMPLING,
            tuple(pool.published()),
        )
