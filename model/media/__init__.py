"""Files of pictures, clips and sounds to arrays, and documents to texts."""
