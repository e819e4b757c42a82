"""A Label Studio and a backend on this machine, for the demo and the tests."""
