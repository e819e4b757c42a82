"""Counters and histograms of the loops for Prometheus, by its conventions."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

NAMESPACE = "active_learning"
QUICK = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds in seconds: a new order is to be there within one."""


@dataclass(frozen=True)
class ProjectMetrics:
    """Those of one project.

    submits: webhooks about labels; refresh: seconds from such a webhook to the order that first
    knows of the label; round: seconds of a fast round, without writing its order, which are
    publish; failures: turns of the loop that failed; last_success: Unix time of the last that did
    not.
    """

    submits: Counter
    refresh: Histogram
    round: Histogram
    publish: Histogram
    failures: Counter
    last_success: Gauge


class Metrics:
    """Those of all projects, in one registry. May be used from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._submits = self._counter("submits", "Webhooks about labels that arrived")
        self._refresh = self._histogram(
            "refresh_seconds", "From the webhook of a submit to the order that first knows of it"
        )
        self._round = self._histogram("round_seconds", "Fast rounds, without writing their order")
        self._publish = self._histogram("publish_seconds", "Writing an order into Label Studio")
        self._failures = self._counter("failures", "Turns of the project's loop that failed")
        self._last_success = Gauge(
            "last_success_timestamp_seconds",
            "When a turn of the project's loop last succeeded",
            ["project"],
            namespace=NAMESPACE,
            registry=self.registry,
        )

    def of(self, project: int) -> ProjectMetrics:
        """The project's own. They begin at 0, so that the first failure is a change."""
        number = str(project)
        return ProjectMetrics(
            self._submits.labels(number),
            self._refresh.labels(number),
            self._round.labels(number),
            self._publish.labels(number),
            self._failures.labels(number),
            self._last_success.labels(number),
        )

    def forget(self, project: int) -> None:
        """Report nothing more of a project."""
        for metric in (
            *(self._submits, self._refresh, self._round),
            *(self._publish, self._failures, self._last_success),
        ):
            metric.remove(str(project))

    def _counter(self, name: str, help_text: str) -> Counter:
        return Counter(name, help_text, ["project"], namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(
            name,
            help_text,
            ["project"],
            namespace=NAMESPACE,
            registry=self.registry,
            buckets=QUICK,
        )
