"""The end of a project: what the model labels by itself, written where people want it."""
