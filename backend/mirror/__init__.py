"""The mirror of a project's tasks and labels."""
