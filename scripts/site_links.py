"""For mkdocs: links to files outside docs/ lead there on GitHub; the site shows their names alone."""

import re

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")


def on_page_markdown(markdown: str, **_: object) -> str:
    return OUTSIDE.sub(r"`\1`", markdown)
