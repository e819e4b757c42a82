"""The labelling interface: what it asks and shows, and how answers are read and written."""
