from dataclasses import fields
from pathlib import Path

import pytest

from backend.errors import BadSetting
from backend.settings import Settings, from_env

README = Path(__file__).parents[2] / "README.md"


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
        ("LABEL_STUDIO_API_KEY", "k", "sent only to an address that you name"),
    ],
)
def test_bad_values_are_refused_by_name(name: str, value: str, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        from_env({name: value})


def test_every_setting_stands_in_the_readme_with_its_default_and_meaning() -> None:
    readme = README.read_text()
    for each in fields(Settings):
        shown = f"`{each.default}`" if str(each.default) else ""
        assert f"| `{each.name.upper()}` | {shown} | {each.metadata['help']} |" in readme
