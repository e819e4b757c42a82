"""The pictures, clips and sounds that tasks refer to: fetched, cached, decoded."""
