"""The status page, the same as JSON, and figures for Prometheus."""
