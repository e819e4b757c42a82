"""Annotations that the model made at the end of a project, and what tells them from people's.

Each region carries a mark: the version that made it, how probable it is, for which user, and the
value itself. Label Studio keeps it, and exports it, as `meta` of the region. An annotation is the
model's as long as nobody has saved it again; otherwise it is a person's, who looked at it, and so
is a copy that somebody made of it for another task or beside it. So a mirror that is read again
from Label Studio tells the two apart without any list of ours. An export that is imported elsewhere
belongs to whoever imported it, and has the times of the import: there an annotation is the model's
if it says what its marks say.
"""

from datetime import datetime

from backend.types import Json

FACT = "finished versions"
"""The fact that holds the versions whose predictions `finish` wrote: they stay until `--undo`."""

META, MARK = "meta", "finish"

SAVED_AGAIN = 2.0
"""Seconds between the times that an annotation was made and saved last, from which on somebody
saved it again. Label Studio takes both from its clock one after the other (measured: 0.03 ms)."""


def marked(result: list[Json], version: str, person: int | None = None) -> list[Json]:
    """The regions of a pre-annotation, which have their probability as `score`, as the regions of
    an annotation that this version makes for the user `person`."""
    return [_marked(region, version, person) for region in result]


def _marked(region: Json, version: str, person: int | None) -> Json:
    mark = {"version": version, "probability": region["score"], "value": region["value"]}
    mark |= {} if person is None else {"user": person}
    kept = {name: value for name, value in region.items() if name != "score"}
    return {**kept, META: {MARK: mark}}


def finished_by(annotation: Json) -> str | None:
    """The version that made an annotation, as Label Studio sends it; None if it is a person's."""
    result = annotation.get("result")
    if not isinstance(result, list) or not result or annotation.get("was_cancelled"):
        return None
    if _is_saved_again(annotation) or annotation.get("parent_annotation"):
        return None
    versions = {_version(region, annotation.get("completed_by")) for region in result}
    return versions.pop() if len(versions) == 1 else None


def _version(region: object, person: object) -> str | None:
    """The version of a region of an annotation by this user. By the user that it was made for, it
    may say something else than its mark: the Data Manager renames labels without saving."""
    meta = region.get(META) if isinstance(region, dict) else None
    mark = meta.get(MARK) if isinstance(meta, dict) else None
    if not isinstance(mark, dict) or not isinstance(region, dict):
        return None
    version = mark.get("version")
    is_where_made = person is not None and mark.get("user") == person
    is_as_made = is_where_made or mark.get("value") == region.get("value")
    return version if is_as_made and isinstance(version, str) else None


def _is_saved_again(annotation: Json) -> bool:
    made, saved = (_moment(annotation.get(name)) for name in ("created_at", "updated_at"))
    return made is not None and saved is not None and (saved - made) > SAVED_AGAIN


def _moment(text: object) -> float | None:
    """Unix time of a time as Label Studio writes it."""
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except ValueError:
        return None
