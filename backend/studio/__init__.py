"""What the backend says to Label Studio and hears from it: calls, JSON, labelling interfaces."""
