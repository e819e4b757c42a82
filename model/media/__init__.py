"""Files of pictures, clips and sounds to arrays."""
