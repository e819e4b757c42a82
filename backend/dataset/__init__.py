"""A pool outside of Label Studio: what it is, how it is read, and what is imported next."""
