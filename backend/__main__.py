"""The command line: python -m backend COMMAND."""

import argparse
import sys
from importlib import import_module

from backend.errors import reported

COMMANDS = {
    "serve": ("backend.commands.serve", "run the web server that Label Studio connects to"),
    "settings": ("backend.commands.settings", "print every setting, its value and its meaning"),
    "connect": ("backend.commands.connect", "connect a project of a running Label Studio"),
    "disconnect": (
        "backend.commands.disconnect",
        "disconnect a project, and take back what was made there",
    ),
    "doctor": ("backend.commands.doctor", "find and fix what keeps the order from working"),
    "versions": ("backend.commands.versions", "list a project's versions, or show one"),
    "rollback": (
        "backend.commands.rollback",
        "go back to an earlier version, or forward to the newest",
    ),
    "finish": (
        "backend.commands.finish",
        "let the model label what it can at a promised precision",
    ),
    "pool": ("backend.commands.pool", "give a project a pool outside of Label Studio"),
    "export": ("backend.commands.export", "write a version as a plain transformers folder"),
    "demo": (
        "backend.dev.demo",
        "start a Label Studio with 2,225 articles, ready to label",
    ),
}
"""Command -> the module that has its `add_arguments(parser)` and `run(arguments)`, and a line of
help. `run` may return an exit code. Only the chosen command's module is imported."""


def main() -> int:
    listing = "\n".join(f"  {name:<12}{line}" for name, (_, line) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m backend",
        description=f"{__doc__}\n\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND")
    name = parser.parse_args(sys.argv[1:2]).command
    module = import_module(COMMANDS[name][0])
    own = argparse.ArgumentParser(prog=f"python -m backend {name}", description=module.__doc__)
    module.add_arguments(own)
    arguments = own.parse_args(sys.argv[2:])
    return reported(lambda: module.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
