"""Which tasks to ask for next: strategies, the cold start, the guard and audit tasks."""
