"""How much is read of media. Here and not beside what reads them, which takes a second to load."""

MAX_SECONDS = 30.0
"""Only the beginning of a longer sound is read."""
MAX_MARKED_SECONDS = 120.0
"""The same where pieces of sounds are marked. Each second takes up twice 15 KB with the default
network."""
STEP = 100
"""Milliseconds of a sound of which a network says something, where pieces are marked. Networks give
a state each 20 ms or each 100 ms, each state takes up space on disk, and with a mouse people place
the ends of pieces no better than this."""

FRAMES = 8
"""Of a clip that is read frame by frame."""
