"""The doctor's checks of Label Studio itself, and of the backend.

Each is a pure function from an observation to a finding; None where an earlier finding makes it
impossible to say.
"""

import re
from urllib.parse import urlsplit

from backend.doctor.finding import Finding
from backend.doctor.observation import Observation
from backend.studio.api import IMPORT_FLAG

FLAG_SINCE = (1, 21)
"""The first release of Label Studio with the flag for imports."""

PATIENCE = 1.0
"""Seconds that Label Studio waits for /health and for webhooks."""


def server(seen: Observation) -> Finding:
    if seen.unreachable:
        return Finding(
            "server", "wrong", seen.unreachable, "Do what it says, or name another with --url"
        )
    return Finding("server", "ok", f"Label Studio {seen.release} answers at {seen.studio_url}")


def token(seen: Observation) -> Finding | None:
    if seen.unreachable:
        return None
    if not seen.refused:
        return Finding("token", "ok", f"The {seen.token_kind} is accepted")
    return Finding(
        "token",
        "wrong",
        f"The {seen.token_kind} is not accepted: labels cannot be read and no order can be written",
        "Create a personal access token under Account & Settings; a legacy token works only while "
        "Organization > API Tokens Settings allows it",
    )


def local_backends(seen: Observation) -> Finding:
    refusal, url = seen.backend_refusal, seen.backend_url
    if refusal is None:
        return Finding("local backends", "ok", f"Label Studio may connect to {url}")
    fix = f"Give the backend an address that Label Studio's machine can resolve, not {url}"
    if refusal.status == 403:
        fix = "Start Label Studio with ML_BLOCK_LOCAL_IP=false"
    return Finding(
        "local backends",
        "wrong",
        f"Label Studio refuses a backend at {url} ({refusal.reason})",
        fix,
    )


def local_webhooks(seen: Observation) -> Finding | None:
    refusal = seen.webhook_refusal
    if refusal is None:
        return Finding("local webhooks", "ok", f"Webhooks to {seen.backend_url} are allowed")
    if refusal.status == 400:
        return None
    return Finding(
        "local webhooks",
        "wrong",
        f"Label Studio sends no webhooks to {seen.backend_url} ({refusal.reason}): the backend "
        "notices labels only at its next poll",
        "Start Label Studio with SSRF_PROTECTION_ENABLED=false",
    )


def host_name(seen: Observation) -> Finding:
    refusal, host = seen.webhook_refusal, urlsplit(seen.backend_url).hostname
    if refusal is None or refusal.status != 400:
        return Finding("host name", "ok", f"Label Studio accepts {host} for webhooks")
    return Finding(
        "host name",
        "wrong",
        f"Label Studio silently refuses a webhook to {host} ({refusal.reason}): the "
        "backend notices labels only at its next poll",
        f"Connect the backend under a host name with a dot, such as {host}.local, localhost, or "
        "an IP address",
    )


def import_flag(seen: Observation) -> Finding:
    fix = f"Start Label Studio with {IMPORT_FLAG}=1"
    if not _knows_flag(seen.release):  # and yet it shows a variable of this name as a flag
        return Finding(
            "import flag",
            "hint",
            f"Label Studio {seen.release} recounts the whole project at each new order, which "
            "takes seconds in a project of thousands of tasks",
            f"Update it to {'.'.join(map(str, FLAG_SINCE))} or newer, and start it with "
            f"{IMPORT_FLAG}=1",
        )
    if seen.import_flag:
        return Finding("import flag", "ok", "Label Studio recounts only the tasks of a new order")
    if seen.import_flag is None:
        hidden = "Label Studio shows its feature flags only to personal access tokens"
        return Finding("import flag", "hint", hidden, fix)
    return Finding(
        "import flag",
        "wrong",
        "Each new order makes Label Studio recount the whole project, which takes seconds instead "
        "of a fraction of a second",
        fix,
    )


def _knows_flag(release: str) -> bool:
    """Whether this Label Studio has the flag; releases that are not numbers are taken for newer."""
    known = re.match(r"(\d+)\.(\d+)", release)
    return known is None or (int(known[1]), int(known[2])) >= FLAG_SINCE


def backend(seen: Observation) -> Finding:
    health, url = seen.health, seen.backend_url
    if health.status == 200 and health.seconds <= PATIENCE:
        return Finding("backend", "ok", f"{url} answers in {1000 * health.seconds:.0f} ms")
    if health.status is None:
        sentence = (
            f"Nothing answers at {url} from here ({health.trouble}), so nothing is learnt"
            f"{health.proxy}"
        )
        fix = "Start the backend, run the doctor where Label Studio runs, or correct --backend-url"
    elif health.status == 401:
        sentence = f"{url} does not accept the doctor's user name and password"
        fix = "Set BASIC_AUTH_USER and BASIC_AUTH_PASS here to the backend's values"
    elif health.status != 200:
        sentence = (
            f"{url}/health answers {health.status}: this is not our backend, or it is failing"
            f"{health.proxy}"
        )
        fix = "Correct the address, or read the backend's log"
    else:
        sentence = (
            f"{url} took {health.seconds:.1f} s to answer; Label Studio waits for {PATIENCE:.0f} s "
            "and then gives up on a webhook"
        )
        fix = "Give the backend more processor time, or move it closer to Label Studio"
    return Finding("backend", "wrong", sentence, fix)
