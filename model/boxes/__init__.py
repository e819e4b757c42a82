"""Labelled boxes in pictures: where they lie, what a detector proposes, and a round that learns."""
