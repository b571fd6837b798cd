"""Rows as a Parquet file, and back. While a batch runs its rows are lines, which survive a kill; this is their end."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from edge_infer.tools.batch.columns import columns, pack, unpack
from edge_infer.tools.batch.disk import sync_folder, writing
from edge_infer.tools.batch.lines import Done, Key
from edge_infer.tools.batch.rows import Row

GROUP_BYTES = 8 * 2**20  # of lines, in a row group
GROUP_ROWS = 8192
BACK_ROWS = 512


def freeze(lines: Path, out: Path) -> Iterator[int]:
    """Make a Parquet file of lines, which replaces what is there at once; yields after each group how many rows it has.

    Who does not go on to the end leaves everything as it was.

    Raises:
        UnavailableError: the disk does not take it.
    """
    part = out.with_name(f"{out.name}.part")
    known = columns()
    try:
        with writing(out):
            with pq.ParquetWriter(part, pack([], known).schema, compression="zstd") as writer:
                for group in _groups(lines):
                    writer.write_table(pack(group, known))
                    yield len(group)
            _put(part, out)
    finally:
        part.unlink(missing_ok=True)


def thaw(out: Path, lines: Path) -> None:
    """Make lines of a Parquet file, at once, so that rows can be appended.

    Raises:
        UnavailableError: the disk does not take them.
    """
    part = lines.with_name(f"{lines.name}.part")
    known = columns()
    try:
        with writing(lines), pq.ParquetFile(out) as file:
            with part.open("wb") as to:
                for batch in file.iter_batches(batch_size=BACK_ROWS, columns=list(known)):
                    to.writelines(msgspec.json.encode(row) + b"\n" for row in unpack(batch, known))
            _put(part, lines)
    finally:
        part.unlink(missing_ok=True)


def done_in(out: Path) -> Done:
    """What is in a Parquet file."""
    done = Done()
    with pq.ParquetFile(out) as file:
        for batch in file.iter_batches(columns=["input", "status", "frame"]):
            for row in batch.to_pylist():
                done.add(Key(**row))
    return done


def _groups(lines: Path) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    with lines.open("rb") as file:
        for line in file:
            group.append(msgspec.json.decode(line))
            size += len(line)
            if size >= GROUP_BYTES or len(group) == GROUP_ROWS:
                yield group
                group, size = [], 0
    if group:
        yield group


def _put(part: Path, path: Path) -> None:
    """Give it its name, durably."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
