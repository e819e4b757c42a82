"""Composition root: settings -> service -> web application. gunicorn calls `create_app`."""

import atexit
import logging
import os
import threading

from flask import Flask

from backend.project.service import Service
from backend.settings import Settings, from_env
from backend.web.wire import install


def create_app(settings: Settings | None = None) -> Flask:
    """The web application; unfinished work of an earlier process resumes in the background.

    Raises BadSetting when an environment variable cannot be used, ModelDirInUse when another server
    works in MODEL_DIR.
    """
    if settings is None:
        settings = from_env(os.environ)
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    service = Service(settings)
    service.hold()
    app = Flask("backend")
    install(app, service)
    libraries = ["backend.web.plugin", "backend.project.turn"]
    threading.Thread(target=service.resume, args=[libraries], name="resume", daemon=True).start()
    atexit.register(service.stop)
    return app
