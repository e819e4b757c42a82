"""What is needed to fetch media. Imports neither torch nor transformers: the server sends it."""

from dataclasses import dataclass, replace

from backend.media.places import hosts_from
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.types import Headers

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Access:
    """How the trainer fetches media for a job; see Connection and MediaLimits."""

    url: str
    token: str
    spare_token: str
    address: str
    folder: str
    hosts: tuple[str, ...]
    max_bytes: int
    cache_bytes: int
    headers: Headers = ()


def access_of(connection: Connection, settings: Settings) -> Access:
    """Access with the limits of the settings, and one cache for all projects."""
    return Access(
        connection.url,
        connection.token,
        connection.spare_token,
        connection.studio_address,
        str(settings.model_dir.resolve() / "media"),
        hosts_from(settings.media_hosts),
        settings.media_mb * MEGABYTE,
        settings.media_cache_mb * MEGABYTE,
        connection.headers,
    )


def without_tokens(access: Access) -> Access:
    """The same for a project without media: the trainer needs no token for texts, and no password
    of a proxy."""
    return replace(access, token="", spare_token="", headers=())
