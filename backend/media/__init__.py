"""Pictures, clips and sounds that tasks name: fetched, kept, decoded."""
