"""Where files may be fetched from: the connected Label Studio, and hosts that are allowed.

Anybody who can import tasks decides what they contain, so what looks like an allowed address must
be one, and nothing else may reach the network behind us.
"""

import base64
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

import requests

from backend.errors import BackendError, BadSetting

SERVED = re.compile(r"/data/|/storage-data/uploaded/\?|/(tasks|projects)/\d+/(resolve|presign)/\?")
"""Where Label Studio serves files: the only paths that are sent the token."""

STATIC = "/static/"
"""Where it serves its own files to anybody, among them the examples of its templates."""

RESOLVED = re.compile(r"/(tasks|projects)/")
"""Where it answers with a link into the cloud storage that is connected to it."""

CLOUD = ("s3", "gs", "azure-blob")

HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
DEFAULT_PORTS = {"http": 80, "https": 443}


class Unreachable(BackendError):
    """A file that cannot be fetched. `temporary`: a later attempt may succeed by itself."""

    def __init__(self, message: str, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


Whose = str
"""Who shows a file, as Label Studio's paths name it: "tasks/12", or "projects/7" for what is no
task yet. It finds the storage of a cloud file by this."""


@dataclass(frozen=True)
class Place:
    """Where a file is: a path of Label Studio, which is sent our token, or else a web address."""

    path: str = ""
    url: str = ""


class Places:
    """`address`: where browsers find the same Label Studio, which it writes into some tasks;
    `hosts`: from hosts_from."""

    def __init__(self, url: str, address: str, hosts: tuple[str, ...]) -> None:
        self._url = url
        self._addresses = [known for known in (url, address) if known]
        self._hosts = hosts

    def named(self, reference: str, whose: Whose) -> Place:
        """Where the file is that is referred to. Raises Unreachable."""
        scheme = reference.partition(":")[0].lower()
        if reference.startswith("/"):
            return self._at_studio(reference)
        if scheme in CLOUD:
            # The old name of /resolve/, which every version accepts.
            uri = base64.urlsafe_b64encode(reference.encode()).decode()
            return Place(path=f"/{whose}/presign/?fileuri={uri}")
        if scheme in DEFAULT_PORTS:
            return self._at_address(_readable(reference))
        raise Unreachable(
            "This is not a link to a file. Tasks may refer to uploads and local files (/data/...), "
            "s3://, gs:// and azure-blob:// files, https:// addresses and data:image/...;base64,"
        )

    def redirected(self, place: Place, url: str) -> Place:
        """The target of a redirect from `place`. Raises Unreachable if it must not be followed."""
        target = _readable(url)
        if RESOLVED.match(place.path):  # Label Studio's own redirect to its storage
            return Place(url=target.geturl())
        return self._at_address(target)

    def _at_studio(self, reference: str) -> Place:
        for address in self._addresses:
            path = _below(reference, address)
            if not _climbs(path) and (SERVED.match(path) or path.startswith(STATIC)):
                return Place(path=path)
        raise Unreachable(
            "Label Studio serves no files there. Its own links begin with /data/upload/, "
            "/data/local-files/ or /static/"
        )

    def _at_address(self, parts: SplitResult) -> Place:
        path = parts._replace(scheme="", netloc="").geturl()
        if any(_origin(parts) == _origin(urlsplit(known)) for known in self._addresses):
            try:
                return self._at_studio(path)  # fetched from the address that we know
            except Unreachable:
                pass
        is_studio = _origin(parts) == _origin(urlsplit(self._url))
        if is_studio or any(_is_of(parts, urlsplit(f"//{host}")) for host in self._hosts):
            return Place(url=parts.geturl())
        raise Unreachable(
            f"Files from {parts.netloc} are not fetched. If you trust that host, add it to "
            "MEDIA_HOSTS, a comma-separated list"
        )


def hosts_from(setting: str) -> tuple[str, ...]:
    """The hosts of a comma-separated list: `media.example.org`, `*.example.org` (any host below
    it), `media.example.org:8443` (without a port: only the scheme's own). Raises BadSetting."""
    hosts = tuple(filter(None, (host.strip().lower() for host in setting.split(","))))
    for host in hosts:
        if not HOST.fullmatch(host.removeprefix("*.")):
            raise BadSetting(
                f"MEDIA_HOSTS: {host} is not a host; write a comma-separated list of hosts, "
                "without https:// and without paths: media.example.org, *.example.org, "
                "10.0.0.5:9000"
            )
    return hosts


def _readable(url: str) -> SplitResult:
    try:
        # Prepared first: the client then connects to what it parses from this same text.
        parts = urlsplit(requests.Request("GET", url).prepare().url or "")
        if parts.scheme in DEFAULT_PORTS and HOST.fullmatch(parts.netloc.lower()):
            _port(parts)
            return parts
    except ValueError:
        pass
    raise Unreachable("The link is not a valid web address, or contains a password")


def _port(parts: SplitResult) -> int:
    """Raises ValueError if it is out of range."""
    return DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port


def _host(parts: SplitResult) -> str:
    """In lower case; `example.org.` is `example.org`."""
    return (parts.hostname or "").rstrip(".")


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, _host(parts), _port(parts)


def _is_of(parts: SplitResult, allowed: SplitResult) -> bool:
    if _port(parts) != (allowed.port or DEFAULT_PORTS[parts.scheme]):
        return False
    host, name = _host(parts), _host(allowed)
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _below(path: str, address: str) -> str:
    """The path without the folder that Label Studio itself is served in."""
    folder = urlsplit(address).path.rstrip("/")
    return path[len(folder) :] if path.startswith(f"{folder}/") else path


def _climbs(path: str) -> bool:
    """Whether a server could read `path` as a different one."""
    plain = unquote(path.partition("?")[0])
    return "\\" in plain or ".." in plain.split("/")
