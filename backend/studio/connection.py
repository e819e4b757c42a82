"""How the backend reaches Label Studio."""

from dataclasses import dataclass

from backend.types import Headers


@dataclass(frozen=True)
class Connection:
    """How to reach Label Studio for a project.

    spare_token: the one that Label Studio itself sent, used when `token` is refused;
    studio_address: the address at which Label Studio says that browsers find it, "" if unknown;
    headers: see Session.
    """

    url: str
    token: str
    spare_token: str = ""
    studio_address: str = ""
    headers: Headers = ()
