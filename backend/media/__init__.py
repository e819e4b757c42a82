"""Pictures and clips that tasks name: fetched, kept, decoded."""
