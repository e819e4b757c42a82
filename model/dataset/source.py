"""Reads the rows of a dataset: Parquet, JSON lines or CSV; one file or a folder of them; on this
machine or in a bucket (any address that pyarrow's filesystems know, such as s3://bucket/folder).
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa
from pyarrow import fs, parquet

from model.dataset import bucket

Row = dict[str, Any]
"""Column -> value, as JSON could hold it."""

ROWS_AT_ONCE = 4096


class BadDataset(ValueError):
    """What keeps a dataset from being used, in a sentence for people."""


@dataclass(frozen=True)
class File:
    """A file of a dataset: its path in the filesystem, its size in bytes, and when it was written
    (ns), 0 where the filesystem does not say."""

    path: str
    size: int
    written: int = 0

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


class Source:
    """The files of a dataset, by name. Raises BadDataset when there are none or nobody answers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._system, root = _opened(address)
        try:
            found = _files(self._system, root)
            if found is None:
                raise BadDataset(_nothing_at(address, self._system))
        except OSError as error:
            raise BadDataset(_cannot_read(address, address, error)) from error
        self.files = tuple(one for one in found if one.suffix in READERS)
        self.others = tuple(one for one in found if one.suffix not in READERS)
        """Files that no reader knows, which are left out."""
        if not self.files:
            raise BadDataset(
                f"{address} has no file that can be read: {', '.join(READERS)} can"
                + (f", and {self.others[0].path} is none of them" if self.others else "")
            )

    def rows(self, file: File) -> Iterator[Row]:
        """The rows of one of the files, in their order. Raises BadDataset when it is not whole."""
        try:
            with self._system.open_input_file(file.path) as stream:
                yield from READERS[file.suffix](stream, file)
        except UnicodeDecodeError as error:
            raise BadDataset(
                f"{file.path} is not written in UTF-8 ({error.reason} at byte {error.start}): "
                "write it again in that encoding"
            ) from error
        except (OSError, pa.ArrowException, csv.Error, RecursionError) as error:
            raise BadDataset(_cannot_read(file.path, self.address, error)) from error


def trouble_with(address: str) -> str:
    """Why nobody could read what is at this address now, in a sentence; "" where something is. It
    is not listed, which takes minutes of a large bucket."""
    try:
        system, root = _opened(address)
        is_there = system.get_file_info(root).type != fs.FileType.NotFound
        return "" if is_there else _nothing_at(address, system)
    except BadDataset as error:
        return str(error)
    except OSError as error:
        return _cannot_read(address, address, error)


def _opened(address: str) -> tuple[fs.FileSystem, str]:
    """The filesystem that holds an address, and the path in it."""
    if "://" not in address:
        return fs.LocalFileSystem(), str(Path(address).expanduser().resolve())
    try:
        if _is_in_a_bucket(address):
            return bucket.opened(address)
        system, path = fs.FileSystem.from_uri(address)
    except bucket.BadAddress as error:
        raise BadDataset(str(error)) from error
    except (pa.ArrowException, OSError) as error:
        raise BadDataset(_cannot_read(address, address, error)) from error
    return system, path


def _is_in_a_bucket(address: str) -> bool:
    return address.startswith("s3://")


def _nothing_at(address: str, system: fs.FileSystem) -> str:
    if _is_in_a_bucket(address):
        return bucket.missing(address, system)
    return (
        f"There is no file or folder {address}. A command reads it as this machine sees it: check "
        "the address, and mount the folder if it is in a container"
    )


def _files(system: fs.FileSystem, root: str) -> list[File] | None:
    """Those in the folder, by name, or the one; hidden ones, as other tools leave them, not. None
    where there is nothing."""
    about = system.get_file_info(root)
    if about.type == fs.FileType.NotFound:
        return None
    if about.type == fs.FileType.File:
        return [_file(about)]
    inside = system.get_file_info(fs.FileSelector(root, recursive=True))
    files = [_file(one) for one in inside if one.type == fs.FileType.File]
    shown = [one for one in files if not _is_hidden(PurePosixPath(one.path).relative_to(root))]
    return sorted(shown, key=lambda one: one.path)


def _file(about: fs.FileInfo) -> File:
    return File(about.path, about.size, about.mtime_ns or 0)


def _is_hidden(path: PurePosixPath) -> bool:
    return any(name.startswith((".", "_")) for name in path.parts)


def _cannot_read(what: str, address: str, error: BaseException) -> str:
    """The sentence for an error at `what` in the dataset of this address."""
    refused = bucket.trouble(address, error) if _is_in_a_bucket(address) else None
    if refused is not None:
        return refused
    reason = " ".join(str(error).split())[:300]
    return (
        f"{what} cannot be read ({reason}). Check that the file is whole, and that the address is "
        "right"
    )


def _parquet(stream: IO[bytes], _: File) -> Iterator[Row]:
    file = parquet.ParquetFile(stream)
    columns = [one.name for one in file.schema_arrow if not _is_binary(one.type)]
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
        yield from batch.to_pylist()


def _is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, which no task can show."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _json_lines(stream: IO[bytes], file: File) -> Iterator[Row]:
    for number, line in enumerate(io.TextIOWrapper(stream, "utf-8-sig"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise BadDataset(
                f"Line {number} of {file.path} is no JSON object: {line.strip()[:80]!r}. In JSON "
                'lines each line is one row, such as {"id": "a1", "text": "..."}'
            )
        yield row


csv.field_size_limit(1 << 24)  # a long text is no damage


def _csv(stream: IO[bytes], file: File) -> Iterator[Row]:
    """All values are texts: a reader that guesses makes 7 of the id 007."""
    delimiter = "\t" if file.suffix == ".tsv" else ","
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    for row in csv.DictReader(text, delimiter=delimiter):
        if None in row or None in row.values():
            raise BadDataset(
                f"A row of {file.path} has not as many values as the first line has names: "
                f"{str(list(row.values()))[:80]}. Write texts that hold commas or line ends in "
                "quotes"
            )
        yield row


READERS: dict[str, Callable[[IO[bytes], File], Iterator[Row]]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv,
    ".tsv": _csv,
}
"""A file name's end -> what reads such a file."""
