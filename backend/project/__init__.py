"""One project: its loop, its rounds and the version that it serves."""
