"""Find what keeps active learning from working in Label Studio, and say how to fix it.

Exit code 0: all is well (hints do not count); 1: something is wrong; 2: the checks could not be
made.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from backend.commands.access import add_access_arguments, studio_of
from backend.doctor.checks import findings
from backend.doctor.finding import Finding
from backend.doctor.observation import Observation, observe
from backend.errors import BackendError
from backend.progress import counting
from backend.settings import Settings, from_env
from backend.studio.api import Studio


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--project", type=int, help="the project's number (default: check only the server)"
    )
    add_access_arguments(parser)
    parser.add_argument(
        "--backend-url",
        default="",
        help="this backend's address as Label Studio reaches it (default: that of the "
        "connected one, or this machine at PORT)",
    )
    parser.add_argument("--fix", action="store_true", help="fix what Label Studio's API can fix")


def run(arguments: Namespace) -> int:
    settings = from_env(os.environ)
    studio = studio_of(arguments, settings)
    seen = observe(studio, settings, arguments.project, arguments.backend_url)
    found = findings(seen)
    if arguments.fix and any(finding.repair for finding in found):
        print_findings(found)
        for line in apply_fixes(found, studio, seen, settings):
            print(line)
        print()
        seen = observe(studio, settings, arguments.project, arguments.backend_url)
        found = findings(seen)
    print_findings(found)
    if arguments.project is None and not (seen.unreachable or seen.refused):
        list_projects(studio)
    return int(any(finding.verdict == "wrong" for finding in found))


def print_findings(found: list[Finding]) -> None:
    for finding in found:
        print(line_of(finding))


def line_of(finding: Finding) -> str:
    fix = f". Fix: {finding.fix}" if finding.fix else ""
    return f"{finding.verdict:<6}{finding.name:<16}{finding.sentence}{fix}"


def apply_fixes(
    found: list[Finding], studio: Studio, seen: Observation, settings: Settings
) -> Iterator[str]:
    """Fix what can be fixed; yields a line for each finding."""
    for finding in found:
        if finding.repair is None:
            continue
        try:
            done = finding.repair(studio.of(seen.project["id"]), seen, settings)
            yield f"fixed {finding.name:<16}{done}"
        except BackendError as error:
            yield f"left  {finding.name:<16}could not be fixed: {error}"


def list_projects(studio: Studio) -> None:
    """Print each project that has a backend, with the backend's address."""
    projects = list(studio.projects())
    with counting("asking for each project's backends", len(projects), "project") as bar:
        for project in projects:
            for backend in studio.of(project["id"]).backends():
                bar.write(f"project {project['id']} ({project['title']}): {backend['url']}")
            bar.update()
