"""The end: what the model may label by itself, at a precision that audit labels vouch for."""
