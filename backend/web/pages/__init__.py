"""The status page, its JSON form, and metrics for Prometheus."""
