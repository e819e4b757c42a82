"""A Python with this folder in its PYTHONPATH looks for garbage seldom. Migrations build Label
Studio's models some hundred times, and to look through them all took a quarter of the time."""

import gc

gc.set_threshold(100_000, 50, 100)
