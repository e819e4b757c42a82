"""What people start by hand: python -m backend COMMAND."""
