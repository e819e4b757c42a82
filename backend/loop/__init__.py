"""The loop of a project, from a label to a new order; and the process that trains meanwhile."""
