"""How both processes log: lines for people, or JSON for programs (LOG_FORMAT)."""

import logging

from pythonjsonlogger.json import JsonFormatter

FIELDS = "{asctime}{levelname}{name}{message}"
JSON_NAMES = {"asctime": "time", "levelname": "level", "name": "logger"}


def configure(level: str, kind: str, line: str) -> None:
    """Send all logs of this process to standard error. `kind`: plain or json; `line`: the format
    of a plain line."""
    handler = logging.StreamHandler()
    if kind == "json":
        handler.setFormatter(JsonFormatter(FIELDS, style="{", rename_fields=JSON_NAMES))
    else:
        handler.setFormatter(logging.Formatter(line))
    logging.basicConfig(level=level, handlers=[handler], force=True)
