"""Types that all rooms share."""

from typing import Any

Json = dict[str, Any]

Headers = tuple[tuple[str, str], ...]
"""Names and values of HTTP headers."""

UNSENT = "unsent"
"""The key of a task that Label Studio cannot send: why, in a sentence. Besides it there is `id`."""
