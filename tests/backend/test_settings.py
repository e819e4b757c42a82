from argparse import Namespace
from dataclasses import fields
from pathlib import Path

import pytest

from backend.commands.settings import run
from backend.errors import BadSetting
from backend.settings import Settings, from_env


def test_empty_variables_count_as_not_set() -> None:
    assert from_env({"PORT": "", "STRATEGY": "  "}) == Settings()


def test_values_are_read_by_the_type_of_the_default() -> None:
    settings = from_env(
        {"PORT": "9191", "AUDIT_SHARE": "0.2", "DEEP_ROUNDS": "no", "MODEL_DIR": "x"}
    )
    assert (settings.port, settings.audit_share) == (9191, 0.2)
    assert (settings.deep_rounds, settings.model_dir) == (False, Path("x"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "ninety", "PORT=ninety is not a whole number"),
        ("PORT", "0", "PORT=0 is out of range; it must be at least 1 and at most 65535"),
        ("AUDIT_SHARE", "nan", "AUDIT_SHARE=nan is out of range"),
        ("STRATEGY", "magic", "STRATEGY=magic is not known; allowed: auto, random"),
        ("DEEP_ROUNDS", "perhaps", "DEEP_ROUNDS=perhaps is neither true nor false"),
        ("BASIC_AUTH_USER", "me", "must be set together"),
        ("ALLOWED_HOSTS", "https://al.example.org", "must be names with commas between them"),
        ("LABEL_ALIASES", "Sprot", "LABEL_ALIASES: 'Sprot' must read old=new, as in Sprot=Sport"),
        ("LABEL_ALIASES", '{"a": 1}', "must map each former name to one name"),
        ("LABEL_ALIASES", '{"a": ', "is not valid JSON"),
        ("LABEL_STUDIO_API_KEY", "k", "sent only to an address that you name"),
    ],
)
def test_bad_values_are_refused_by_name(name: str, value: str, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        from_env({name: value})


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        ("", {}),
        ("Sprot=Sport; Busines = Business;", {"Sprot": "Sport", "Busines": "Business"}),
        ('{"a=b; c": "d"}', {"a=b; c": "d"}),
    ],
)
def test_former_names_of_labels(text: str, aliases: dict[str, str]) -> None:
    assert from_env({"LABEL_ALIASES": text}).aliases == aliases


def test_the_command_prints_every_setting_once_and_the_advanced_ones_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASIC_AUTH_USER", "me")
    monkeypatch.setenv("BASIC_AUTH_PASS", "s3cret")
    run(Namespace())
    first, advanced = capsys.readouterr().out.split("# Advanced")
    for each in fields(Settings):
        lines = [part.count(f"\n{each.name.upper()}=") for part in (first, advanced)]
        assert lines == ([0, 1] if each.metadata["advanced"] else [1, 0])
    assert "BASIC_AUTH_PASS=(set)" in first
    assert "s3cret" not in first
