"""The labelling interface: what it asks and shows, and how annotations are read and written."""
