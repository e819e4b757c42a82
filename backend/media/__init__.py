"""The pictures, clips, sounds and documents that tasks refer to: fetched, cached, decoded."""
