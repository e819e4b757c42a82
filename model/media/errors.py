"""What reading a file raises, in a module that loads no decoder."""


class UnreadableMedia(ValueError):
    """A media file that cannot be read; its text says what is wrong with it, in plain words."""
