"""With what media are fetched. Imports neither torch nor transformers: the server passes it on."""

from dataclasses import dataclass

from backend.media.places import hosts_from
from backend.settings import Settings
from backend.studio.connection import Connection

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Access:
    """How media are fetched, as a job tells the trainer: see Connection and MediaLimits."""

    url: str
    token: str
    spare_token: str
    address: str
    folder: str
    hosts: tuple[str, ...]
    max_bytes: int
    cache_bytes: int


def access_of(connection: Connection, settings: Settings) -> Access:
    """With the settings' limits, and one cache for all projects."""
    return Access(
        connection.url,
        connection.token,
        connection.spare_token,
        connection.studio_address,
        str(settings.model_dir.resolve() / "media"),
        hosts_from(settings.media_hosts),
        settings.media_mb * MEGABYTE,
        settings.media_cache_mb * MEGABYTE,
    )
