"""Looking at a pool: a map of it, and a search by words or by what is like a task."""
