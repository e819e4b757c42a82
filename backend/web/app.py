"""Composition root: settings -> service -> web application."""

import atexit
import os
import threading

from flask import Flask

from backend.logs import configure
from backend.project.service import Service
from backend.settings import Settings, from_env
from backend.web.wire import install

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def create_app(settings: Settings | None = None) -> Flask:
    """The web application; unfinished work of an earlier process resumes in the background.

    Raises BadSetting when an environment variable cannot be used, ModelDirInUse when another server
    works in MODEL_DIR.
    """
    if settings is None:
        settings = from_env(os.environ)
    configure(settings.log_level, settings.log_format, LINE)
    service = Service(settings)
    service.hold()
    app = Flask("backend")
    install(app, service)
    threading.Thread(target=service.resume, name="resume", daemon=True).start()
    atexit.register(service.stop)
    return app
