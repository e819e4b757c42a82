"""The commands that people run: python -m backend COMMAND."""
