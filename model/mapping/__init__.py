"""A map of the pool: each task a point in the plane, near means alike, and regions with names."""
