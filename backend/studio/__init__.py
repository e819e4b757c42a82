"""The client of Label Studio's REST API."""
