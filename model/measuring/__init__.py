"""How good the model is, when to stop, what was saved and which labels to doubt."""
