"""Finds, names and fixes what makes active learning fail silently in Label Studio."""
