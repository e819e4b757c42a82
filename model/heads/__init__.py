"""From vectors to probabilities and answers: linear heads, their calibration and thresholds."""
