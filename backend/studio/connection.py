"""How the backend and Label Studio reach each other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Connection:
    """How to reach Label Studio for a project, and how Label Studio reaches us ("" if unknown).

    spare_token: the one that Label Studio itself sent, used when `token` is refused;
    studio_address: the address at which Label Studio says that browsers find it.
    """

    url: str
    token: str
    backend_url: str
    spare_token: str = ""
    studio_address: str = ""
