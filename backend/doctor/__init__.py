"""What makes active learning silently fail in Label Studio: looked at, named, mended."""
