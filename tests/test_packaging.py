"""The files that install and deploy us agree with the code, and with what Label Studio needs."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from backend.settings import Settings
from backend.studio.api import IMPORT_FLAG

ROOT = Path(__file__).parents[1]

TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT, "minItems": 1}
TEXT_BY_NAME = {"type": "object", "additionalProperties": {"type": "string"}}


def record(required: list[str], **properties: Any) -> dict[str, Any]:
    """Schema of an object that has no other keys than these."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


SETTINGS = {each.name.upper() for each in fields(Settings)}
"""The environment variables that the backend reads."""

ENV_FILE = {
    "type": "object",
    "properties": {"path": TEXT, "required": {"type": "boolean"}},
    "required": ["path"],
    "additionalProperties": False,
}

SERVICE = {
    **record(
        ["restart", "environment", "volumes"],
        image={"type": "string", "pattern": r"^[a-z/-]+:[0-9.]+$"},
        build=record(["context", "dockerfile"], context=TEXT, dockerfile=TEXT, args=TEXT_BY_NAME),
        restart={"enum": ["no", "always", "on-failure", "unless-stopped"]},
        depends_on={
            "type": "object",
            "additionalProperties": record(
                ["condition"], condition={"enum": ["service_started", "service_healthy"]}
            ),
        },
        command=TEXTS,
        profiles=TEXTS,
        shm_size={"type": "string", "pattern": "^[0-9]+gb$"},
        ports=TEXTS,
        volumes=TEXTS,
        env_file={"type": "array", "items": ENV_FILE},
        environment=TEXT_BY_NAME,
        networks=record(["default"], default=record(["aliases"], aliases=TEXTS)),
        healthcheck=record(
            ["test"],
            test=TEXTS,
            interval={"type": "string", "pattern": "^[0-9]+s$"},
            retries={"type": "integer"},
        ),
    ),
    "oneOf": [{"required": ["image"]}, {"required": ["build"]}],
}
COMPOSE_FILE = record(
    ["services", "volumes"],
    services={"type": "object", "additionalProperties": SERVICE},
    volumes={"type": "object", "additionalProperties": {"type": "null"}},
)
"""Of the Compose specification what we use, so that a misspelt key fails."""


COMPOSE = (ROOT / "docker-compose.yml").read_text()


@pytest.fixture
def services() -> dict[str, Any]:
    compose = yaml.safe_load(COMPOSE)
    found: dict[str, Any] = compose["services"]
    return found


def accepted_by_label_studio(url: str) -> bool:
    """Django's check of a URL, as far as it concerns names: the host must have a dot."""
    label = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    return bool(
        re.fullmatch(rf"https?://(?:{label}\.)+[a-z-]{{2,63}}(?::\d{{1,5}})?(?:/\S*)?", url)
    )


def test_the_compose_file_is_valid() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    jsonschema.validate(compose, COMPOSE_FILE)
    mounted = [
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service["volumes"]
    ]
    assert set(mounted) == set(compose["volumes"])
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])


def offered() -> set[str]:
    """The variables that .env.example offers, without those that stand in a comment."""
    return set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_the_example_offers_what_the_compose_file_uses_and_the_settings_and_no_more() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert used <= offered()
    assert offered() - used <= SETTINGS


def test_the_example_names_every_setting() -> None:
    """Those that the compose file sets itself stand in comments, for other ways to run it."""
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE)) >= SETTINGS


def test_no_secret_has_a_default() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|TOKEN))\b(:?.)", compose)
    assert {after for _, after in secrets} == {":?"}
    example = (ROOT / ".env.example").read_text()
    assert all(f"\n{name}=\n" in example for name, _ in secrets)


def test_every_setting_in_env_reaches_the_backend(services: dict[str, Any]) -> None:
    """A setting stands in .env, or the compose file fixes it; none is offered and then ignored."""
    backend = services["ml-backend"]
    assert backend["env_file"] == [{"path": ".env", "required": False}]
    fixed = set(backend["environment"]) & SETTINGS
    assert fixed | offered() >= SETTINGS
    assert not fixed & offered()


def test_no_secret_of_others_reaches_the_backend(services: dict[str, Any]) -> None:
    """The whole of .env does, so what is not a setting of the backend is emptied there."""
    environment = services["ml-backend"]["environment"]
    secrets = {name for name in offered() - SETTINGS if name.endswith("PASSWORD")}
    assert secrets == {"LABEL_STUDIO_PASSWORD", "POSTGRES_PASSWORD"}
    assert {environment[name] for name in secrets} == {""}
    assert set(environment) == (set(environment) & SETTINGS) | secrets


def test_the_backend_has_an_address_that_label_studio_accepts(services: dict[str, Any]) -> None:
    """For a host without a dot Label Studio silently makes no webhook."""
    (alias,) = services["ml-backend"]["networks"]["default"]["aliases"]
    port = next(each.default for each in fields(Settings) if each.name == "port")
    url = f"http://{alias}:{port}"
    assert accepted_by_label_studio(url)
    assert not accepted_by_label_studio(f"http://ml-backend:{port}")
    assert f"type {url}\n" in (ROOT / "docker-compose.yml").read_text()


def test_label_studio_lets_the_backend_in(services: dict[str, Any]) -> None:
    environment = services["label-studio"]["environment"]
    assert environment["ML_BLOCK_LOCAL_IP"] == "false"
    assert environment["SSRF_PROTECTION_ENABLED"] == "false"
    assert environment[IMPORT_FLAG] == "1"
    token = services["ml-backend"]["environment"]["LABEL_STUDIO_API_KEY"]
    assert environment["LABEL_STUDIO_USER_TOKEN"] == token
    assert environment["LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"] == "true"


def test_a_ray_cluster_is_started_only_when_it_is_asked_for(services: dict[str, Any]) -> None:
    """All its nodes are of the backend's image, and see the backend's folder."""
    backend = services["ml-backend"]
    nodes = {name: each for name, each in services.items() if "profiles" in each}
    assert set(nodes) == {"ray-head", "ray-worker"}
    for node in nodes.values():
        assert node["build"] == backend["build"]
        assert node["volumes"] == backend["volumes"]
        assert "ports" not in node, "whoever reaches them can run programs there"
    (address,) = re.findall(r"^#\s+RAY_ADDRESS=(\S+)$", COMPOSE, re.MULTILINE)
    host, _, port = address.partition(":")
    assert f"--port={port}" in nodes[host]["command"]
    assert f"--address={address}" in nodes["ray-worker"]["command"]
    assert backend["command"][-1].endswith("exec python -m backend serve")


def test_label_studio_and_its_database_agree(services: dict[str, Any]) -> None:
    theirs, ours = services["label-studio"]["environment"], services["db"]["environment"]
    assert theirs["POSTGRE_HOST"] == "db"
    assert theirs["POSTGRE_NAME"] == ours["POSTGRES_DB"]
    for name in ("USER", "PASSWORD"):
        assert theirs[f"POSTGRE_{name}"] == ours[f"POSTGRES_{name}"]


def test_the_versions_of_label_studio_agree(services: dict[str, Any]) -> None:
    _, version = services["label-studio"]["image"].split(":")
    assert [str(pin) for pin in locked("studio")["label-studio"]] == [f"label-studio=={version}"]


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OLD_RELEASES = {
    path.stem.removeprefix("studio-"): path for path in (ROOT / "requirements").glob("studio-*.in")
}
"""Of Label Studio: those that the essential tests run with, too."""

LOCKS = ("uv", "backend", "dev", "studio", *(f"studio-{release}" for release in OLD_RELEASES))
NOWHERE = "torch"
"""Its build, and with it its hash, depends on the machine."""


def requirements(*lines: str) -> list[Requirement]:
    """What is asked for by lines of a requirements file."""
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pins_of(name: str) -> Iterator[tuple[str, list[str]]]:
    """The packages of a lock, and the rest of what is said of each: hashes, each on a line."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for entry in re.split(r"\n(?=\S)", "\n".join(lines)):
        pin, *rest = re.split(r"\s*\\\n\s*", entry.rstrip())
        yield pin, rest


def locked(name: str) -> dict[str, list[Requirement]]:
    """The versions of a lock by package: one, or several with a condition each."""
    pins: dict[str, list[Requirement]] = {}
    for pin, _ in pins_of(name):
        required = Requirement(pin)
        pins.setdefault(canonicalize_name(required.name), []).append(required)
    return pins


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_gives_each_package_one_version_with_hashes(name: str) -> None:
    for pin, hashes in pins_of(name):
        (specifier,) = Requirement(pin).specifier
        assert specifier.operator == "==" and "*" not in specifier.version
        assert hashes, f"{pin} has no hash"
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", line) for line in hashes)
    assert "://" not in (ROOT / "requirements" / f"{name}.lock").read_text()


@pytest.mark.parametrize("python", ["3.11.2", "3.12.0", "3.13.0"])
@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_at_most_one_version_for_a_machine(name: str, python: str) -> None:
    """Two packages of one name cannot be installed together."""
    short = python.rpartition(".")[0]
    machine = {"python_version": short, "python_full_version": python, "sys_platform": "linux"}
    for package, pins in locked(name).items():
        held = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(machine)]
        assert len(held) <= 1, package


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("uv", requirements(*(ROOT / "requirements/uv.in").read_text().splitlines())),
        ("studio", requirements(*(ROOT / "requirements/studio.in").read_text().splitlines())),
        (
            "backend",
            requirements(
                *PROJECT["project"]["dependencies"],
                *(ROOT / "requirements/backend.in").read_text().splitlines(),
                *PROJECT["build-system"]["requires"],
            ),
        ),
        (
            "dev",
            requirements(
                *PROJECT["project"]["optional-dependencies"]["dev"],
                *(ROOT / "requirements/dev.in").read_text().splitlines(),
            ),
        ),
        *(
            (
                f"studio-{release}",
                requirements(f"label-studio=={release}", *path.read_text().splitlines()),
            )
            for release, path in OLD_RELEASES.items()
        ),
    ],
)
def test_a_lock_has_what_is_asked_for(name: str, asked: list[Requirement]) -> None:
    """`make lock` after a change of what is asked for puts this right."""
    pins = locked(name)
    for required in asked:
        if required.name == NOWHERE:
            continue
        found = pins[canonicalize_name(required.name)]
        for pin in found:
            (specifier,) = pin.specifier
            assert required.specifier.contains(specifier.version), f"{pin} is not {required}"


def test_the_readme_names_the_releases_that_are_tested() -> None:
    readme = (ROOT / "README.md").read_text()
    known = sorted(OLD_RELEASES, key=lambda release: [int(part) for part in release.split(".")])
    assert f"{', '.join(known[:-1])} and {known[-1]}" in readme
    tested = re.search(
        r"^make versions RELEASES=(\S+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE
    )
    assert tested and tested[1] in OLD_RELEASES


def test_the_tools_are_locked_beside_the_same_backend() -> None:
    """Tests tell of what is deployed."""
    dev = locked("dev")
    for package, pins in locked("backend").items():
        assert [pin.specifier for pin in dev[package]] == [pin.specifier for pin in pins]


def test_the_locks_leave_the_build_of_pytorch_to_the_machine() -> None:
    """CUDA's packages are gigabytes, and come with the builds that need them."""
    for name in LOCKS:
        foreign = [one for one in locked(name) if re.match("torch$|nvidia-|cuda-|triton", one)]
        assert not foreign
    (torch,) = requirements(*(ROOT / "requirements" / "torch.in").read_text().splitlines())
    (specifier,) = torch.specifier
    asked = {one.name: one for one in requirements(*PROJECT["project"]["dependencies"])}
    assert asked["torch"].specifier.contains(specifier.version)
    installed = requires("torch") or []
    always = {Requirement(line).name for line in installed if ";" not in line}
    assert always <= set(locked("backend")), "all that every build needs"


def test_every_package_is_typed() -> None:
    """Who imports us sees our types."""
    data = PROJECT["tool"]["setuptools"]["package-data"]
    for package in ("backend", "model"):
        assert (ROOT / package / "py.typed").exists()
        assert "py.typed" in data[package]


def test_the_image_installs_with_the_script_and_runs_without_rights() -> None:
    dockerfile = (ROOT / "backend" / "Dockerfile").read_text()
    assert re.search(r"scripts/install\.sh backend -$", dockerfile, re.MULTILINE)
    *_, user = re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)
    assert user not in ("root", "0")
    assert dockerfile.index(f"\nUSER {user}") < dockerfile.index("\nCMD ")


@pytest.mark.parametrize("script", ["scripts/install.sh", "scripts/lock.sh", ".ci/run"])
def test_a_script_is_valid_and_can_be_run(script: str) -> None:
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert (ROOT / script).stat().st_mode & 0o111


def test_the_installer_explains_a_python_that_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.2'\n")
    old.chmod(0o755)
    ran = subprocess.run(
        [str(ROOT / "scripts" / "install.sh"), "studio", str(tmp_path / "venv")],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 1
    assert b"Python 3.11 or newer is needed" in ran.stderr
    assert b"Python 3.9.2" in ran.stderr
    assert not (tmp_path / "venv").exists()
