"""Which Label Studio a command calls, and with which token."""

from argparse import ArgumentParser, Namespace

from backend.errors import NotConnected
from backend.sending import apart
from backend.settings import Settings
from backend.studio.api import Studio


def add_access_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--url", default="", help="Label Studio (default: LABEL_STUDIO_URL)")
    parser.add_argument("--key", default="", help="access token (default: LABEL_STUDIO_API_KEY)")


def studio_of(arguments: Namespace, settings: Settings) -> Studio:
    """Raises NotConnected when neither the arguments nor the settings name both, and BadSetting
    when one of them cannot be sent."""
    url, headers = settings.label_studio_url, settings.studio_headers
    if arguments.url:
        known = url
        url, own = apart(arguments.url)
        if own or url.rstrip("/") != known.rstrip("/"):  # the settings' are for their address
            headers = own
    key = arguments.key or settings.label_studio_api_key
    if not url or not key:
        raise NotConnected("Give --url and --key, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY")
    return Studio(url, key, headers=headers)
