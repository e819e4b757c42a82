"""What is kept on the disk: versions, and vectors by what they are of."""
