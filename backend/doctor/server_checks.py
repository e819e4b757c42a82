"""The doctor's checks of Label Studio itself, and of the backend.

Each is a pure function from what was seen to what is found; None where something found before makes
it impossible to tell.
"""

from urllib.parse import urlsplit

from backend.doctor.finding import Finding
from backend.doctor.observation import Observation
from backend.studio.api import IMPORT_FLAG

PATIENCE = 1.0
"""Seconds that Label Studio waits for /health and for webhooks."""


def server(seen: Observation) -> Finding:
    if seen.unreachable:
        return Finding("server", "wrong", seen.unreachable, "Start it, or correct --url")
    return Finding("server", "ok", f"Label Studio {seen.release} answers at {seen.studio_url}")


def token(seen: Observation) -> Finding | None:
    if seen.unreachable:
        return None
    if not seen.refused:
        return Finding("token", "ok", f"The {seen.token_kind} is accepted")
    return Finding(
        "token",
        "wrong",
        f"The {seen.token_kind} is not accepted: neither labels can be read nor an order written",
        "Make a personal access token under Account & Settings; a legacy token works only while "
        "Organization > API Tokens Settings allows it",
    )


def local_backends(seen: Observation) -> Finding:
    refusal, url = seen.backend_refusal, seen.backend_url
    if refusal is None:
        return Finding("local backends", "ok", f"Label Studio may connect {url}")
    fix = f"Give the backend an address that Label Studio's machine can resolve, not {url}"
    if refusal.status == 403:
        fix = "Start Label Studio with ML_BLOCK_LOCAL_IP=false"
    return Finding(
        "local backends",
        "wrong",
        f"Label Studio connects no backend at {url} ({refusal.reason})",
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
        "hears of labels only at its next look",
        "Start Label Studio with SSRF_PROTECTION_ENABLED=false",
    )


def host_name(seen: Observation) -> Finding:
    refusal, host = seen.webhook_refusal, urlsplit(seen.backend_url).hostname
    if refusal is None or refusal.status != 400:
        return Finding("host name", "ok", f"{host} will do for webhooks")
    return Finding(
        "host name",
        "wrong",
        f"Label Studio makes no webhook to {host} and says nothing of it ({refusal.reason}): the "
        "backend hears of labels only at its next look",
        f"Connect the backend under a host name with a dot, such as {host}.local, localhost, or "
        "an IP address",
    )


def import_flag(seen: Observation) -> Finding:
    fix = f"Start Label Studio with {IMPORT_FLAG}=1"
    if seen.import_flag:
        return Finding("import flag", "ok", "Writing an order recounts only the tasks in it")
    if seen.import_flag is None:
        told = "Label Studio tells its feature flags only to personal access tokens"
        return Finding("import flag", "hint", told, fix)
    return Finding(
        "import flag",
        "wrong",
        "Each new order makes Label Studio recount the whole project: seconds instead of a "
        "fraction of one",
        fix,
    )


def backend(seen: Observation) -> Finding:
    health, url = seen.health, seen.backend_url
    if health.status == 200 and health.seconds <= PATIENCE:
        return Finding("backend", "ok", f"{url} answers in {1000 * health.seconds:.0f} ms")
    if health.status is None:
        sentence = f"Nobody answers at {url} from here ({health.trouble}): nothing is learnt"
        fix = "Start it, or run the doctor where Label Studio runs, or correct --backend-url"
    elif health.status == 401:
        sentence = f"{url} asks for another password than the doctor has"
        fix = "Set BASIC_AUTH_USER and BASIC_AUTH_PASS here as for the backend"
    elif health.status != 200:
        sentence = (
            f"{url}/health answers {health.status}: this is no backend of ours, or a sick one"
        )
        fix = "Correct the address, or read the backend's log"
    else:
        sentence = (
            f"{url} took {health.seconds:.1f} s to answer; Label Studio waits for {PATIENCE:.0f} s "
            "and then loses webhooks"
        )
        fix = "Give the backend more processor time, or a machine nearer to Label Studio"
    return Finding("backend", "wrong", sentence, fix)
