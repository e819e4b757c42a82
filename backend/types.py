"""Types that all rooms share."""

from typing import Any

Json = dict[str, Any]
