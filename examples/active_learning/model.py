"""The model class that `_wsgi.py` serves."""

from backend.web import hosted


class ActiveLearning(hosted.ActiveLearningBackend):
    """Learns from every submit, pre-annotates, and puts the tasks in order.

    `fit(event, data)` notices what people did, `predict(tasks, context)` answers with the served
    version, and `setup()` connects a project. Override them to add something of your own.
    """
