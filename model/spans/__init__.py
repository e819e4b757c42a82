"""Named spans in texts: their tags, and a round that learns them."""
