r"""Write release-0.1.tar.gz beside this file: what an earlier release keeps of a project.

The backend that runs is the one in another checkout, at commit 3568a67, in this checkout's
environment. What drives it and a real Label Studio is this checkout:

    git worktree add ../release-0.1 3568a67
    LABEL_STUDIO_BIN=.venv-studio/bin/label-studio .venv/bin/python -m \
        tests.backend.data.make_old_folder ../release-0.1 build/old-folder

People label a part of forty short texts, a deep round fine-tunes the encoder, they roll back to a
version before it, and label on. The second folder keeps Label Studio's side of it. Which tasks come
first differs from run to run, so the numbers in test_old_data.py go with the archive that is kept.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from backend.dev import local
from backend.studio.api import Studio
from backend.types import Json
from model.storage.store import Store
from tests.backend.data.archive import ARCHIVE, COMMON, CONFIG, SETTINGS, WORDS, texts
from tests.studio.bench import Bench, until
from tests.studio.migrated import put_migrated

BEFORE_PIN, IN_ALL, VERSIONS = 24, 30, 5


def write_encoder(folder: Path) -> None:
    """A text encoder of two layers that knows the words of the texts and nothing else."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *COMMON.split()]
    words += [word for topic in WORDS.values() for word in topic.split()]
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)  # type: ignore[no-untyped-call]
    fast.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder)


@contextmanager
def label_studio(folder: Path, executable: str) -> Iterator[Studio]:
    """Label Studio with its data in `folder`, a new one or the one of before."""
    if not folder.exists():
        folder.mkdir(parents=True)
        put_migrated(folder, executable)
    environ = {"DJANGO_DB": "sqlite"}
    with local.label_studio(folder, local.free_port(), executable, environ) as server:
        server.wait_until_up()
        yield Studio(server.url, local.TOKEN)


@contextmanager
def backend_in(folder: Path, studio: Studio, **settings: object) -> Iterator[Bench]:
    """A backend that is started in `folder`, in which its encoder is."""
    server = local.backend(folder, local.free_port(), studio.url, **SETTINGS, **settings)
    with server:
        server.wait_until_up()
        yield Bench(studio, server, folder / "models", dict(SETTINGS))


def label(bench: Bench, project: int, up_to: int) -> None:
    """Label the next tasks until so many have labels."""
    while len(bench.studio.of(project).task_ids()) - len(open_tasks(bench, project)) < up_to:
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
        until("the label", lambda: task["id"] not in shortlist(bench, project))  # noqa: B023


def open_tasks(bench: Bench, project: int) -> list[Json]:
    return [task for task in bench.studio.of(project).tasks() if not task["annotations"]]


def shortlist(bench: Bench, project: int) -> list[int]:
    version = bench.version(project)
    return [] if version is None else list(version.shortlist.tolist())


def pin_first_encoder(bench: Bench, project: int, release: Path) -> None:
    """Go back to the last version of the encoder before the deep round."""
    names = Store(bench.models / str(project)).version_names()
    pinned = [name for name in names if name.startswith("0.")][-1]
    rollback(bench, project, "--to", pinned, PYTHONPATH=str(release))

    def follows() -> bool:
        version = bench.version(project)
        return version is not None and version.facts.head_of == pinned

    until("a version of the pinned head", follows)


def rollback(bench: Bench, project: int, *words: str, **environ: str) -> None:
    """Run the command as a person does beside the server."""
    command = [sys.executable, "-m", "backend", "rollback", "--project", str(project), *words]
    port = bench.server.url.rpartition(":")[2]
    ours = {**os.environ, "MODEL_DIR": str(bench.models), "PORT": port, **environ}
    subprocess.run(command, env=ours, check=True)


def work(folder: Path, release: Path) -> None:
    """All that happens in the project, with its data in `folder`."""
    with (
        label_studio(folder / "studio", os.environ["LABEL_STUDIO_BIN"]) as studio,
        backend_in(folder / "backend", studio, pythonpath=release) as old,
    ):
        project = old.connected(texts(), CONFIG)
        task = studio.of(project).next_task()
        assert task is not None
        for answer in ("sports", "food"):  # two people who differ: a task for the review
            old.submit(task, [answer])
        label(old, project, BEFORE_PIN)
        old.until_tuned(project)
        until("the switch", lambda: old.is_switched(project))
        until("the review", (old.models / str(project) / "review.json").exists)
        pin_first_encoder(old, project, release)
        label(old, project, IN_ALL)
        until("the switch", lambda: old.is_switched(project))


def pack(folder: Path) -> None:
    """The encoder's folder and MODEL_DIR, small: without TensorBoard's files, with few versions."""
    with TemporaryDirectory() as name:
        small = Path(name)
        shutil.copytree(folder / "encoder", small / "encoder")
        skipped = shutil.ignore_patterns("tensorboard", "*.log", "lock")
        shutil.copytree(folder / "models", small / "models", ignore=skipped)
        for project in (small / "models").iterdir():
            with closing(sqlite3.connect(project / "pool.sqlite", isolation_level=None)) as pool:
                pool.execute("VACUUM")
                pool.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                row = pool.execute("SELECT value FROM fact WHERE name = 'pinned'").fetchone()
            drop_versions(Store(project), pinned=json.loads(row[0]))
        with tarfile.open(ARCHIVE, "w:gz") as archive:
            for path in sorted(small.iterdir()):
                archive.add(path, path.name, filter=without_owner)


def drop_versions(store: Store, pinned: str) -> None:
    """Leave VERSIONS: the pinned one, the last of the fine-tuned encoder, and the last of all."""
    versions = [store.load_version(name) for name in store.version_names()]
    versions.sort(key=lambda version: version.facts.created_at)
    tuned = [version.name for version in versions if version.encoder > 0]
    needed = [pinned, tuned[-1]]
    others = [version.name for version in versions if version.name not in needed]
    for name in others[: len(needed) - VERSIONS]:
        store.delete_version(name)


def without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def main() -> None:
    parser = ArgumentParser(prog="python -m tests.backend.data.make_old_folder")
    parser.add_argument("release", type=Path, help="a checkout of the earlier release")
    parser.add_argument("folder", type=Path, help="for all that is written meanwhile")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    write_encoder(folder / "backend" / "encoder")
    work(folder, arguments.release.resolve())
    pack(folder / "backend")


if __name__ == "__main__":
    main()
