"""The trainer process: it encodes pools, fine-tunes encoders and reviews labels."""
