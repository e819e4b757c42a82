"""The job that tunes a detector on people's boxes: the deep round of pictures with boxes."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from PIL.Image import Image

from backend.interface.questions import boxes_in
from backend.media.contents import TaskContents, opened_record, without_unreadable
from backend.media.reading import Reader
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.trainer.boxes import proposals_of, snapshot_of
from backend.trainer.encoders import meta_of
from backend.trainer.messages import Tune
from backend.trainer.report import Report
from backend.types import Json
from model.boxes.geometry import UNREAD, Box, learnable
from model.boxes.learner import BoxSnapshot, fit, mean_precision
from model.choosing.audit import by_lot, in_reserve
from model.encoders.detector_tuning import DrawnPictures, tune_detector
from model.encoders.joint import JointEncoder
from model.media.pictures import Page
from model.storage.store import HERE, Store, write_encoder_meta
from model.types import Bools, Ints

LEAST_HELD_OUT = 8
"""Where the audit reserve has fewer pictures with boxes, others are held out beside it."""
HELD_OUT_SHARE = 0.2
"""Of those others."""
GREY = (127, 127, 127)
"""What hides a part of a picture."""


def tune_on_boxes(job: Tune, report: Report) -> Json:
    """Tune a copy of the detector that the settings name on all boxes.

    It becomes a new encoder of the store if a head on its proposals finds the boxes in pictures
    that it has not seen at least as well as one on those of the newest encoder (`after` and
    `before`, mAP). Else, and where that cannot be measured, that one stays, and counts as the one
    for these labels (`kept`).
    """
    subject, folder = job.subject, job.subject.folder
    config, spec = subject.config, subject.spec
    store, encoder = Store(folder), JointEncoder(spec)
    newest = max(known for known, meta in store.encoders().items() if meta.spec == spec)
    with closing(Pool(folder / MIRROR)) as pool:
        record = opened_record(pool, config, folder, report.working)
        with closing(Reader(encoder, spec, store, subject.access, record)) as reader:
            answers = pool.labelling(config, job.empty_is_none).answers
            labelled = np.array(sorted(answers), dtype=np.int64)
            ids = without_unreadable(pool, labelled, config, subject.seed)
            shown = TaskContents(pool, reader, ids, config)
            ids = np.array(shown.ids, dtype=np.int64)
            audits = in_reserve(pool.items.tickets(ids), job.audit_share, subject.seed)
            boxes = [boxes_in(answers[task]) for task in shown.ids]
            has_boxes = np.array([len(learnable(mine)) > 0 for mine in boxes], dtype=np.bool_)
            held_out = held_out_of(ids, audits, has_boxes, subject.seed)
            drawn = _Drawn(shown, boxes, held_out, config.labels)
            before = drawn.precision_of_stored(store, newest, pool.keys_of(ids))
            found = tune_detector(
                encoder.detector,
                *(drawn.pictures(~drawn.held_out), drawn.pictures(drawn.held_out), config.labels),
                seed=subject.seed,
                advanced=report.advanced,
            )
            after = drawn.precision_by(encoder, report)
    kept = after is not None and after >= (before or 0.0)
    facts: Json = {**asdict(found), "before": before, "after": after, "kept": kept}
    if not kept:
        store.note_labels(newest, len(answers), job.asked)
        return {"encoder": newest, "labels": len(answers), **facts}
    number = store.next_encoder()
    meta = replace(
        meta_of(spec, encoder), source=HERE, labels=len(answers), asked=job.asked, report=facts
    )
    with store.new_encoder(number) as aside:
        encoder.save(aside)
        write_encoder_meta(aside, meta)
    return {"encoder": number, "labels": len(answers), **facts}


@dataclass(frozen=True)
class _Drawn:
    """All n pictures with boxes: what they show, the boxes, and which only measure (n,)."""

    shown: TaskContents
    boxes: Sequence[tuple[Box, ...]]
    held_out: Bools
    labels: tuple[str, ...]

    def pictures(self, which: Bools) -> DrawnPictures:
        """Those of which `which` (n,) is true; they are read when they are needed."""
        rows = np.flatnonzero(which).tolist()

        def read(row: int) -> list[Page]:
            pages: Any = self.shown[rows[row]][0]
            return [hidden(page, self.boxes[rows[row]]) for page in pages]

        return DrawnPictures(read, [learnable(self.boxes[row]) for row in rows])

    def precision_by(self, encoder: JointEncoder, report: Report) -> float | None:
        """mAP of a head on the proposals of this detector."""
        proposals = proposals_of(encoder, self.shown, report)
        return self._precision(snapshot_of(proposals, self.boxes, self.labels, encoder.things))

    def precision_of_stored(self, store: Store, encoder: int, keys: Ints) -> float | None:
        """The same of an encoder whose proposals are known, of the pictures (n,) that have some;
        None where it has found nothing yet."""
        rows = store.proposals(encoder).rows(keys)
        there = np.flatnonzero(rows >= 0)
        if len(there) == 0:
            return None
        proposals = store.proposals(encoder).take(rows[there])
        boxes = [self.boxes[row] for row in there.tolist()]
        things = store.encoders()[encoder].things
        known = snapshot_of(proposals, boxes, self.labels, things)
        return replace(self, held_out=self.held_out[there])._precision(known)

    def _precision(self, known: BoxSnapshot) -> float | None:
        if self.held_out.all() or not self.held_out.any():
            return None
        head = fit(known, ~self.held_out)
        return mean_precision(head, *known.labelled(self.held_out), known.things)


def hidden(page: Page, boxes: Sequence[Box]) -> Page:
    """The picture without what people drew there that cannot be learnt: a detector would learn that
    nothing is there. What can be learnt stays in sight."""
    mine = [box for box in boxes if box.page == page.number]
    unread = [box for box in mine if box.label == UNREAD]
    if not unread:
        return page
    picture = page.picture.copy()
    for box in unread:
        picture.paste(GREY, _pixels(box, picture))
    for box in learnable(mine):
        where = _pixels(box, picture)
        picture.paste(page.picture.crop(where), where)
    return replace(page, picture=picture)


def _pixels(box: Box, picture: Image) -> tuple[int, int, int, int]:
    """The box in pixels: left, top, right, bottom."""
    width, height = picture.size
    right, below = box.x + box.width, box.y + box.height
    return (
        *(round(box.x * width), round(box.y * height)),
        *(round(right * width), round(below * height)),
    )


def held_out_of(ids: Ints, audits: Bools, has_boxes: Bools, seed: int) -> Bools:
    """Which pictures (n,) only measure: the audit reserve, and where that has few with boxes, some
    others with boxes, of which most stay to learn from. Without boxes nothing is measured."""
    missing = LEAST_HELD_OUT - int((audits & has_boxes).sum())
    others = np.flatnonzero(~audits & has_boxes)
    more = max(0, min(missing, int(HELD_OUT_SHARE * len(others))))
    held_out = audits.copy()
    held_out[others[by_lot(ids[others], more, seed)]] = True
    return held_out
