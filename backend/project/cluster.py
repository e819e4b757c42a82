"""Which Ray cluster the settings name."""

from backend.settings import Settings
from model.dataset.engine import Cluster


def cluster_of(settings: Settings) -> Cluster | None:
    """The cluster that works on datasets; None: the trainer does."""
    if not settings.ray_address:
        return None
    return Cluster(settings.ray_address, settings.ray_worker_cpus, settings.ray_worker_gpus)
