"""For mkdocs: links to files outside docs/ work on GitHub; the site shows the names alone."""

import re

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")


def on_page_markdown(markdown: str, **_: object) -> str:
    return OUTSIDE.sub(r"`\1`", markdown)
