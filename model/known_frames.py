"""What the image network says of the frames of clips, kept: a clip is read once, however many
encoders come."""

from collections.abc import Sequence

from model.clip_encoder import Clip, ClipEncoder
from model.token_store import TokenStore
from model.types import Bools, Floats, Ints


class KnownFrames:
    """The frames in a store, found by the key of their clip, and the encoder that makes vectors of
    them."""

    def __init__(self, store: TokenStore, encoder: ClipEncoder) -> None:
        self._store = store
        self._encoder = encoder

    def knows(self, keys: Ints) -> Bools:
        """Which of the clips (n,) were read already."""
        result: Bools = self._store.rows(keys) >= 0
        return result

    def read(self, keys: Ints, clips: Sequence[Clip]) -> Floats:
        """Clips to vectors (n, dimension); their frames are known from then on."""
        frames = self._encoder.frames(clips)
        self._store.append(keys, frames)
        return self._encoder.vectors(frames)

    def vectors(self, keys: Ints) -> Floats:
        """The vectors (n, dimension) of clips, all of which are known."""
        return self._encoder.vectors(self._store.take(self._store.rows(keys)))

    def learn(self, keys: Ints, targets: Floats) -> None:
        """Teach the encoder the labels (n, c) of those of the clips that are known."""
        known = self.knows(keys)
        self._encoder.learn(self._store.take(self._store.rows(keys[known])), targets[known])
