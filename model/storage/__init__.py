"""On disk: versions and encoders, and vectors and states by content hash."""
