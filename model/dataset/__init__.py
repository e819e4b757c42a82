"""A pool in files: read into parts, encoded part by part, and scored without holding it all."""
