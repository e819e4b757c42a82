"""Requests about Label Studio itself that only the doctor makes. None of them changes anything.

Label Studio logs each request that it refuses with a traceback. So nothing that it must refuse is
asked where something that it grants tells as much: in a project that is connected as it should be,
its log stays clean.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from backend.studio.refusals import decoded, raise_for
from backend.studio.session import READ_TIMEOUT, Session
from backend.types import Json

QUESTION = "none: the doctor of the active learning backend asks whether the address is allowed"
"""A value that Label Studio does not accept, and repeats in its log."""


@dataclass(frozen=True)
class Refusal:
    """Why Label Studio refuses an address: its HTTP status and message."""

    status: int
    reason: str


def release(session: Session) -> str:
    """Label Studio's version. Requested without the token."""
    response = session.answer("GET", "/api/version/", READ_TIMEOUT)
    raise_for(response, "GET /api/version/")
    return str(decoded(response).get("release", ""))


def kind_of_token(session: Session) -> str:
    """The kind of the token, in words."""
    return "personal access token" if session.is_personal() else "legacy token"


def user(session: Session) -> Json:
    """The user to whom the token belongs."""
    return session.json("GET", "/api/current-user/whoami")


def feature_flag(session: Session, name: str) -> bool | None:
    """Whether a feature is on; None where Label Studio does not show it, as with legacy tokens."""
    response = session.call("GET", "/feature-flags/", allowed=(401, 403, 404))
    if response.status_code != 200:
        return None
    try:
        flags = json.loads(response.text.removeprefix("<pre>").removesuffix("</pre>"))
    except ValueError:
        return None
    value = flags.get(name)
    return value if isinstance(value, bool) else None


def backend_refusal(session: Session, url: str) -> Refusal | None:
    """Why no ML backend can be connected at this address; None if one can.

    Creates nothing: the request is also invalid in another field.
    """
    return _refusal(session, "POST", "/api/ml/", {"url": url, "auth_method": QUESTION})


def webhook_refusal(session: Session, url: str, own: Sequence[Json] = ()) -> Refusal | None:
    """Why no webhook to this address can be created; None if one can. Creates nothing.

    own: the webhooks to this address that there are. Label Studio checks an address again when it
    saves it again.
    """
    for webhook in own[:1]:
        path, same = f"/api/webhooks/{webhook['id']}/", {"actions": webhook["actions"]}
        return _refusal(session, "PATCH", path, {"url": webhook["url"], **same})
    return _refusal(session, "POST", "/api/webhooks/", {"url": url, "actions": [QUESTION]})


def _refusal(session: Session, method: str, path: str, body: Json) -> Refusal | None:
    response = session.call(method, path, json=body, allowed=(400, 403, 404, 500))
    if response.status_code in (200, 404):  # 404: the webhook was deleted at this moment
        return None
    answer = decoded(response)
    if response.status_code != 400:
        return Refusal(response.status_code, str(answer.get("detail", "")))
    about_url = answer.get("validation_errors", {}).get("url")
    return Refusal(400, " ".join(about_url)) if about_url else None
