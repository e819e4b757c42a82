"""Serves the class in model.py: `label-studio-ml start` runs this file, gunicorn imports `app`."""

import argparse
import logging
import os

from label_studio_ml.api import init_app

from model import ActiveLearning

logging.basicConfig(
    level=os.getenv("LOG_LEVEL") or "INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s"
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=ActiveLearning.__doc__)
    parser.add_argument("-p", "--port", type=int, default=9090)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--basic-auth-user", default=os.getenv("ML_SERVER_BASIC_AUTH_USER"))
    parser.add_argument("--basic-auth-pass", default=os.getenv("ML_SERVER_BASIC_AUTH_PASS"))
    parser.add_argument("--log-level", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    if given.log_level:
        logging.getLogger().setLevel(given.log_level)
    app = init_app(ActiveLearning, given.basic_auth_user, given.basic_auth_pass)
    app.run(host=given.host, port=given.port)
else:
    app = init_app(ActiveLearning)
