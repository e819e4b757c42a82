"""From what a task shows to vectors: networks for texts, media and tokens, and their tuning."""
