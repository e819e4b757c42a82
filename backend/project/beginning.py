"""What a project began with, as its turns and pages need it."""

from model.storage.damage import Damaged, WrittenLater
from model.storage.earlier import Earlier, Verdict, earlier_of, has_earlier, verdict_of, weights_of
from model.storage.store import Store
from model.types import EncoderSpec

JUDGED_FIRST, JUDGED_GROWTH, JUDGED_LAST = 20, 1.5, 100
"""The encoder of an earlier project is compared with the pretrained one at so many labels, and
again whenever they have grown by this factor, up to the last. Three encoders that had been tuned on
something else gave way in all nine runs by 50 labels, in three of them at 20."""


class Beginning:
    """Used by the loop's thread alone. What was taken over is read once: it never changes, but it
    may be set aside."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._earlier: Earlier | None = None

    def earlier(self) -> Earlier | None:
        """What the project took over; None if nothing, or nothing that can be read."""
        if not has_earlier(self._store):  # there was none, or it was set aside meanwhile
            self._earlier = None
        elif self._earlier is None:
            try:
                self._earlier = earlier_of(self._store)
            except (Damaged, WrittenLater):  # which is said when the project is opened
                return None
        return self._earlier

    def is_to_be_judged(self, spec: EncoderSpec, labels: int) -> bool:
        """Whether so many labels are to say something of the earlier encoder."""
        earlier, verdict = self.earlier(), verdict_of(self._store)
        has_weights = earlier is not None and weights_of(self._store) is not None
        if not has_weights or earlier is None or not earlier.fits(spec):
            return False
        if verdict is None:
            return labels >= JUDGED_FIRST
        is_open = verdict.stays and verdict.labels < JUDGED_LAST
        return is_open and labels >= JUDGED_GROWTH * verdict.labels

    def sentence(self) -> str:
        """How the project began, for people; "" if with the pretrained encoder alone."""
        earlier = self.earlier()
        if earlier is None:
            return ""
        return " ".join([beginning_in_words(earlier), *about(verdict_of(self._store))])


def beginning_in_words(earlier: Earlier) -> str:
    """How a project begins with it, in a sentence."""
    head = earlier.head
    known = "" if head is None else f"its head of {len(head.labels)} labels"
    if earlier.encoder is None:
        return (
            f"Begins with the pretrained encoder, for {earlier.origin} has tuned none, and with "
            f"{known}."
        )
    tuned = f", tuned on {earlier.labels} labels" if earlier.labels else ""
    return f"Begins with {earlier.whose}{tuned}{f', and with {known}' if known else ''}."


def about(verdict: Verdict | None) -> list[str]:
    """What the labels said of the encoder, in a sentence; nothing before they did."""
    if verdict is None:
        return []
    if not verdict.is_measured:
        return [
            f"At {verdict.labels} labels too few labelled tasks could be read to compare this "
            "encoder with the pretrained one."
        ]
    if verdict.stays:
        how = "better than" if verdict.earlier > verdict.pretrained else "about as well as"
        return [f"At {verdict.labels} labels this encoder fits them {how} the pretrained one."]
    return [
        f"At {verdict.labels} labels the pretrained encoder fits them better, and has taken its "
        "place."
    ]
