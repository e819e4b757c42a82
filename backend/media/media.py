"""From a reference in a task's data (to a picture, clip or sound) to a file on this machine."""

import base64
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from backend.errors import StudioError
from backend.media.cache import FileCache
from backend.media.download import CHUNK, PLAIN, IncompleteDownload, TimedAdapter, body
from backend.media.places import STATIC, Place, Places, Unreachable, Whose
from backend.studio.client import Client
from backend.studio.session import CONNECT_TIMEOUT, Session

HEAD_TIMEOUT = 10.0
"""Seconds that a server may take to start its response."""

REDIRECTS = 5

MEASURED = {**PLAIN, "Range": "bytes=0-"}
"""Label Studio gives a file's length, by which an incomplete one is detected, only for a range."""

WHOLE = re.compile(r"bytes 0-(\d+)/(\d+)")

INLINE = re.compile(r"data:(image|audio|video)/[^,]*;base64", re.IGNORECASE)

TEMPORARY = (401, 408, 424, 425, 429)
"""Refusals that may pass: a token, a rate limit, a storage that does not answer."""

ADVICE = {
    ("/data/upload/", 404): "the uploaded file was deleted: upload it again, or delete the task",
    ("/data/", 416): "the file is empty: upload it again",
    ("/data/upload/", 500): "if only some tasks are affected, their uploaded files were deleted",
    ("/data/local-files/", 403): "start Label Studio with LOCAL_FILES_SERVING_ENABLED=true and "
    "LOCAL_FILES_DOCUMENT_ROOT=<the parent folder of your files>",
    (
        "/data/local-files/",
        404,
    ): "the file does not exist, or no local storage of the project covers "
    "its folder: add one under Settings > Cloud Storage > Add Source Storage > Local files",
    ("/tasks/", 404): "no source storage of the project has this bucket: add one under "
    "Settings > Cloud Storage",
    ("/tasks/", 424): "it could not read the file from its storage: check that the file exists, "
    "and the connection under Settings > Cloud Storage",
}
"""(Start of Label Studio's path, its status) -> advice."""

OTHER_ADVICE = "check that the token's user may see the task's project"


@dataclass(frozen=True)
class MediaLimits:
    """max_bytes, seconds: for one file; hosts: allowed besides Label Studio's own (see
    places.hosts_from); cache_bytes: for all files in the cache."""

    max_bytes: int = 100_000_000
    seconds: float = 60.0
    hosts: tuple[str, ...] = ()
    cache_bytes: int = 2_000_000_000


class Media:
    """Fetches and caches media. For one thread; several processes may share the folder.

    `session`: preferably with `repeats=0`, as the caller retries temporary failures. `address`:
    where browsers find the same Label Studio.
    """

    def __init__(
        self, folder: Path, session: Session, limits: MediaLimits | None = None, address: str = ""
    ) -> None:
        self._limits = limits or MediaLimits()
        self._session = session
        self._places = Places(session.url, address, self._limits.hosts)
        self._cache = FileCache(folder, self._limits.cache_bytes)
        self._http = Client()
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, TimedAdapter())

    def close(self) -> None:
        self._http.close()

    def fetch(self, reference: str, whose: Whose, *, may_be_a_page: bool = False) -> Path:
        """The file that is referred to; we assume that a reference always means the same content.

        may_be_a_page: whether a web page is what is wanted, and not what a server says instead.
        Raises Unreachable, and OSError when the disk is full.
        """
        key = self._key(reference)
        return self._cache.find(key) or self._cache.add(
            key, self._checked(reference, whose, may_be_a_page)
        )

    def forget(self, reference: str) -> None:
        """Fetch it again next time: the cached file is damaged."""
        self._cache.remove(self._key(reference))

    def _key(self, reference: str) -> str:
        return _cache_key(self._session.url, reference)

    def _checked(self, reference: str, whose: Whose, may_be_a_page: bool) -> Iterator[bytes]:
        """The file's bytes. Raises Unreachable, also for an empty or too large file."""
        is_inline = reference[:5].lower() == "data:"
        total = 0
        for chunk in (
            _inline(reference) if is_inline else self._download(reference, whose, may_be_a_page)
        ):
            total += len(chunk)
            self._refuse_if_too_large(total)
            yield chunk
        if not total:
            raise Unreachable("The file is empty. Upload it again")

    def _refuse_if_too_large(self, size: int) -> None:
        if size > self._limits.max_bytes:
            allowed = self._limits.max_bytes / 1e6
            raise Unreachable(
                f"The file is larger than {allowed:g} MB. Replace it with a smaller one"
            )

    def _download(self, reference: str, whose: Whose, may_be_a_page: bool) -> Iterator[bytes]:
        deadline = time.monotonic() + self._limits.seconds
        with self._open(self._places.named(reference.strip(), whose), deadline) as response:
            is_page = response.headers.get("Content-Type", "").startswith("text/html")
            if is_page and not may_be_a_page:
                raise Unreachable(
                    "The link leads to a web page, not to the file: use the file's own link"
                )
            self._refuse_if_too_large(_announced(response))
            try:
                yield from body(response, deadline)
            except IncompleteDownload as error:
                raise Unreachable(
                    f"The file did not arrive completely within {self._limits.seconds:g} seconds",
                    True,
                ) from error

    def _open(self, place: Place, deadline: float) -> requests.Response:
        """The response after all redirects. Raises Unreachable."""
        for _ in range(REDIRECTS + 1):
            response = self._ask(place, deadline - time.monotonic())
            if _is_complete(response):
                return response
            with response:
                if not response.is_redirect:
                    host = urlsplit(response.url).netloc
                    raise _refused(host, response.status_code, "check the link and its permissions")
                url = urljoin(response.url, response.headers["Location"])
                place = self._places.redirected(place, url)
        raise Unreachable("The link to the file redirects too many times")

    def _ask(self, place: Place, seconds_left: float) -> requests.Response:
        if seconds_left <= 0:
            raise Unreachable("The servers that lead to the file answer too slowly", temporary=True)
        seconds = min(HEAD_TIMEOUT, seconds_left)
        return (
            self._ask_studio(place.path, seconds) if place.path else self._get(place.url, seconds)
        )

    def _ask_studio(self, path: str, seconds: float) -> requests.Response:
        # What it serves to anybody comes without the token, yet through the proxy before it.
        asked = self._session.answer if path.startswith(STATIC) else self._session.call
        try:
            return asked(
                "GET", path, timeout=seconds, stream=True, allow_redirects=False, headers=MEASURED
            )
        except StudioError as error:
            if error.status in (None, 401):  # the session's own advice applies
                raise Unreachable(str(error).partition(": ")[2], temporary=True) from error
            raise _refused("Label Studio", error.status, _advice(path, error.status)) from error

    def _get(self, url: str, seconds: float) -> requests.Response:
        timeout = (CONNECT_TIMEOUT, seconds)
        try:
            return self._http.get(
                url, timeout=timeout, stream=True, allow_redirects=False, headers=PLAIN
            )
        except requests.RequestException as error:
            raise Unreachable(
                f"No answer from {urlsplit(url).netloc} ({type(error).__name__}). Check that it "
                "can be reached from where the backend runs",
                temporary=True,
            ) from error


def cached(folder: Path, url: str, reference: str) -> Path | None:
    """The file in this folder of fetched media that a reference in a task of the Label Studio at
    `url` refers to; None if it is not there. Fetches nothing."""
    try:
        return FileCache(folder, 0).find(_cache_key(url.rstrip("/"), reference))
    except UnicodeEncodeError:  # half a character, as of an emoji cut in two: no file has that name
        return None


def _cache_key(url: str, reference: str) -> str:
    return f"{url} {reference}"


def _is_complete(response: requests.Response) -> bool:
    if response.status_code != 206:
        return response.status_code == 200
    sent = WHOLE.fullmatch(response.headers.get("Content-Range", ""))
    return sent is not None and int(sent[1]) + 1 == int(sent[2])


def _announced(response: requests.Response) -> int:
    """The length that the server announces before the file; 0 if it announces none."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else 0


def _refused(who: str, status: int | None, advice: str) -> Unreachable:
    is_temporary = status is not None and (status >= 500 or status in TEMPORARY)
    return Unreachable(f"{who} answered {status} when asked for the file: {advice}", is_temporary)


def _advice(path: str, status: int | None) -> str:
    known = (
        text for (start, of), text in ADVICE.items() if path.startswith(start) and of == status
    )
    return next(known, OTHER_ADVICE)


def _inline(reference: str) -> Iterator[bytes]:
    """The file that is inside the task itself. Raises Unreachable."""
    kind, _, text = reference.partition(",")
    if not INLINE.fullmatch(kind):
        raise Unreachable(
            "Only data:image/..., data:audio/... and data:video/... in base64 can be read"
        )
    try:
        for start in range(0, len(text), CHUNK):  # a multiple of 4: four characters are 3 bytes
            yield base64.b64decode(text[start : start + CHUNK], validate=True)
    except ValueError as error:
        raise Unreachable("The file inside the task is damaged: its base64 is invalid") from error
