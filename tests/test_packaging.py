"""The files that install and deploy us agree with the code, and with what Label Studio needs."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

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


@pytest.fixture
def services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
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
    assert sorted(mounted) == sorted(compose["volumes"])
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


def test_label_studio_and_its_database_agree(services: dict[str, Any]) -> None:
    theirs, ours = services["label-studio"]["environment"], services["db"]["environment"]
    assert theirs["POSTGRE_HOST"] == "db"
    assert theirs["POSTGRE_NAME"] == ours["POSTGRES_DB"]
    for name in ("USER", "PASSWORD"):
        assert theirs[f"POSTGRE_{name}"] == ours[f"POSTGRES_{name}"]


def test_the_versions_of_label_studio_agree(services: dict[str, Any]) -> None:
    _, version = services["label-studio"]["image"].split(":")
    assert f"label-studio=={version}\n" in (ROOT / "scripts" / "install.sh").read_text()


def test_the_image_installs_with_the_script_and_runs_without_rights() -> None:
    dockerfile = (ROOT / "backend" / "Dockerfile").read_text()
    assert re.search(r"scripts/install\.sh backend -$", dockerfile, re.MULTILINE)
    *_, user = re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)
    assert user not in ("root", "0")
    assert dockerfile.index(f"\nUSER {user}") < dockerfile.index("\nCMD ")


@pytest.mark.parametrize("script", ["scripts/install.sh", ".ci/run"])
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
