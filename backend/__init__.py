"""Label Studio's side: the wire contract, the mirror of its tasks, rounds and publishing."""
