"""What the trainer process is started with."""

from backend.trainer.child import ENVIRONMENT, environment


def test_the_trainer_gets_no_secret_in_its_environment() -> None:
    """It decodes untrusted files, and had the token and the password of the backend at hand."""
    kept = {
        "PATH": "/bin",
        "HF_TOKEN": "h",
        "TOKENIZERS_PARALLELISM": "false",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
        "LOG_LEVEL": "INFO",
    }
    names = (
        "LABEL_STUDIO_API_KEY BASIC_AUTH_PASS LABEL_STUDIO_USER_TOKEN "
        "LABEL_STUDIO_PASSWORD POSTGRES_PASSWORD AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID TOKEN"
    )
    assert environment({**kept, **dict.fromkeys(names.split(), "s")}) == {**ENVIRONMENT, **kept}


def test_what_people_set_wins_over_ours() -> None:
    assert environment({"OMP_WAIT_POLICY": "ACTIVE"}) == {
        **ENVIRONMENT,
        "OMP_WAIT_POLICY": "ACTIVE",
    }
