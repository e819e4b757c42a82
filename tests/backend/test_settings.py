import os
from argparse import Namespace
from base64 import b64encode
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
        ("GOAL_COST", "400", "LABEL_PRICE is not set"),
        ("LABEL_PRICE", "0.08", "GOAL_COST is not set"),
        ("GOAL_HOURS", "-1", "GOAL_HOURS=-1 is out of range"),
        ("ALLOWED_HOSTS", "https://al.example.org", "must be names with commas between them"),
        ("LABEL_ALIASES", "Sprot", "LABEL_ALIASES: 'Sprot' must read old=new, as in Sprot=Sport"),
        ("LABEL_ALIASES", '{"a": 1}', "must map each former name to one name"),
        ("LABEL_ALIASES", '{"a": ', "is not valid JSON"),
        ("LABEL_STUDIO_API_KEY", "k", "sent only to an address that you name"),
        ("LABEL_STUDIO_HEADERS", '{"X-A": "b"}', "sent only to an address that you name"),
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


LOCAL = "http://localhost:8080"
BASIC = f"Basic {b64encode('us:pä@ss'.encode()).decode()}"


def test_a_password_in_the_address_moves_into_the_headers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, logs and errors show the address."""
    monkeypatch.setenv("LABEL_STUDIO_URL", "https://us:p%C3%A4%40ss@studio.example/ls/")
    monkeypatch.setenv("LABEL_STUDIO_HEADERS", '{"X-A": "b"}')
    settings = from_env(os.environ)
    assert settings.label_studio_url == "https://studio.example/ls/"
    assert settings.studio_headers == (("X-A", "b"), ("Authorization", BASIC))
    run(Namespace())
    printed = capsys.readouterr().out
    assert "LABEL_STUDIO_URL=https://studio.example/ls/\n" in printed
    assert "LABEL_STUDIO_HEADERS=(set)\n" in printed
    assert "p%C3" not in printed and BASIC not in printed


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "http://",
        "http://us:p/ss@studio",
        "http://us:1#ss@studio",
        "http://us:1?ss@studio",
        "http://studio:99999",
        "us:pass@studio:8080",
        "http:us:pass@studio",
        "http:/us:pass@studio",
    ],
)
def test_an_address_that_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match="is not an address such as") as caught:
        from_env({"LABEL_STUDIO_URL": url})
    assert "ss" not in str(caught.value).partition("is not")[0]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"LABEL_STUDIO_API_KEY": "ключ"}, "Copy LABEL_STUDIO_API_KEY again"),
        ({"LABEL_STUDIO_HEADERS": "X-A: b"}, "must be a JSON object"),
        ({"LABEL_STUDIO_HEADERS": '["X-A"]'}, "must be a JSON object"),
        ({"LABEL_STUDIO_HEADERS": '{"X-A": 1}'}, "must be a JSON object"),
        ({"LABEL_STUDIO_HEADERS": '{"X A": "secret"}'}, "must be a JSON object"),
        ({"LABEL_STUDIO_HEADERS": '{"X-A": "sec\\nret"}'}, "must be a JSON object"),
        ({"LABEL_STUDIO_HEADERS": '{"X-A": "тайна"}'}, "must be a JSON object"),
        (
            {"LABEL_STUDIO_URL": "http://a:b@c", "LABEL_STUDIO_HEADERS": '{"authorization": "d"}'},
            "Leave out one of the two",
        ),
        (
            {"LABEL_STUDIO_HEADERS": '{"Authorization": "d"}', "LABEL_STUDIO_API_KEY": "a.b.c"},
            "both need the header Authorization",
        ),
    ],
)
def test_what_cannot_be_sent_to_label_studio_is_refused(
    variables: dict[str, str], message: str
) -> None:
    with pytest.raises(BadSetting, match=message) as caught:
        from_env({"LABEL_STUDIO_URL": LOCAL, **variables})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "password", "message"),
    [
        ("u", "пароль", "BASIC_AUTH_PASS contains a character that Label Studio cannot send"),
        ("u", "p\udce4ss", "BASIC_AUTH_PASS contains a character"),
        ("u", "two\nlines", "BASIC_AUTH_PASS contains a character"),
        ("юзер", "s3cret", "BASIC_AUTH_USER contains a character"),
        ("u:v", "s3cret", "BASIC_AUTH_USER contains a colon"),
    ],
)
def test_a_password_that_label_studio_cannot_send_is_refused(
    user: str, password: str, message: str
) -> None:
    """It ended commands in a traceback, and the server never let Label Studio in."""
    with pytest.raises(BadSetting, match=message) as caught:
        from_env({"BASIC_AUTH_USER": user, "BASIC_AUTH_PASS": password})
    assert password not in str(caught.value)


def test_the_spaces_around_a_password_belong_to_it() -> None:
    settings = from_env({"BASIC_AUTH_USER": " u ", "BASIC_AUTH_PASS": "  pä ss \n"})
    assert settings.password == ("u", "  pä ss ")
    assert from_env({"BASIC_AUTH_USER": "", "BASIC_AUTH_PASS": "   "}) == Settings()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:9090"),
        ("::", "http://localhost:9090"),
        ("::1", "http://[::1]:9090"),
        ("[::1]", "http://[::1]:9090"),
        ("10.0.0.5", "http://10.0.0.5:9090"),
    ],
)
def test_the_address_on_the_own_machine(host: str, url: str) -> None:
    assert from_env({"HOST": host}).own_url == url
