"""What is damaged in the folder of a project's versions is set aside and made again.

A damaged encoder is replaced by the newest whole one until the next deep round; vectors are encoded
again. A damaged version is found when it is opened, see `Store.load_version`.
"""

from pathlib import Path

from model.storage.damage import Damaged, WrittenLater, set_aside
from model.storage.earlier import check_earlier, folder_of
from model.storage.store import Store

USED = "The newest whole encoder is used until the next deep round makes another"


def mend(store: Store, now: float) -> list[str]:
    """Set aside what cannot be used. Returns a sentence for each; `now`: Unix time."""
    return [*_mend_earlier(store, now), *_mend_encoders(store, now), *_mend_vectors(store, now)]


def _mend_earlier(store: Store, now: float) -> list[str]:
    try:
        check_earlier(store)
    except Damaged as error:
        aside = set_aside(folder_of(store), now)
        return [
            f"What the earlier project left was damaged ({error}). Deep rounds begin with the "
            f"pretrained encoder from now on. {_kept(aside)}"
        ]
    except WrittenLater as error:
        return [f"What the earlier project left cannot be read: {error}"]
    return []


def _mend_encoders(store: Store, now: float) -> list[str]:
    said = []
    for number in store.encoder_numbers():
        try:
            store.check_encoder(number)
        except Damaged as error:
            aside = set_aside(store.encoder_folder(number), now)
            _set_vectors_aside(store, number, now)
            said.append(f"Encoder {number} was damaged ({error}). {USED}. {_kept(aside)}")
    return said


def _mend_vectors(store: Store, now: float) -> list[str]:
    said, known = [], store.encoders()
    for number in store.vector_numbers():
        meta = known.get(number)
        if meta is None:
            aside = _set_vectors_aside(store, number, now)
            said.append(f"Encoder {number} is missing. {USED}. Its vectors: {_kept(aside)}")
        elif not store.vectors_are_of(number, meta):
            aside = _set_vectors_aside(store, number, now)
            said.append(
                f"The vectors of encoder {number} were computed by another encoder. Tasks are "
                f"encoded again. {_kept(aside)}"
            )
        elif broken := store.encoded(number).check():
            said.append(
                f"{broken} vectors of encoder {number} were damaged: they held values that are not "
                "numbers. They are encoded again"
            )
    return said


def _set_vectors_aside(store: Store, number: int, now: float) -> Path | None:
    store.forget_opened(number)
    folder = store.vectors_folder(number)
    return set_aside(folder, now) if folder.exists() else None


def _kept(aside: Path | None) -> str:
    return f"What was there is kept as {aside} and may be deleted"
