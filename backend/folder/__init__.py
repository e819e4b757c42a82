"""A project's folder, and MODEL_DIR around it: who may use it, what is damaged, what may go."""
