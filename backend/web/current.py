"""What the application that answers a request was made with."""

from flask import current_app

from backend.project.service import Service


def current_service() -> Service:
    """The service that `backend.web.wire.install` was given."""
    service: Service = current_app.extensions["service"]
    return service
