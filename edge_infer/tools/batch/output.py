"""The file that a batch fills: lines of JSON, or Parquet, which is lines until all is done."""

from collections.abc import Iterator
from pathlib import Path

from edge_infer.errors import UnavailableError, UsageError
from edge_infer.tools.batch.disk import writing
from edge_infer.tools.batch.lines import Done, Lines
from edge_infer.tools.batch.record import Maker, Record

LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"


class Output:
    """Open for rows that go on where the last run ended.

    Attributes:
        done: what it held when it was opened
        finished: videos of which every frame was in it
    """

    def __init__(self, out: Path, maker: Maker, *, restart: bool) -> None:
        """Open it, or make it; `restart`: whatever is there is thrown away.

        Raises:
            UsageError: another model or other options made what is there.
            InputError: it is no output of a batch.
            UnavailableError: it cannot be written.
            StalledError: another process writes it.
        """
        self.path = out
        self._parquet = is_parquet(out)
        self._rows = out.with_name(f"{out.name}.rows.jsonl") if self._parquet else out
        self._lines: Lines | None = None
        self._record = Record(out)
        try:
            self._claim(maker, restart)
            self.finished = frozenset(self._record.finished)
            self.done = self._open()
        except BaseException:
            self.close()
            raise

    def _claim(self, maker: Maker, restart: bool) -> None:
        files = {self._rows, self.path}
        if restart:
            with writing(self.path):
                for file in files:
                    file.unlink(missing_ok=True)
        if not any(file.exists() and file.stat().st_size for file in files):
            return self._record.begin(maker)
        advice = "give another --out, or begin anew with --restart, which deletes what is there"
        if self._record.maker is None:
            raise UsageError(f"{self.path} is there, and no {self._record.path} that says what made it: {advice}")
        if changes := self._record.maker.changes(maker):
            raise UsageError(f"{self.path} was made in another way ({'; '.join(changes)}): {advice}")
        return None

    def _open(self) -> Done:
        if self._parquet and self.path.exists() and not self._rows.exists():
            from edge_infer.tools.batch.parquet import done_in

            return done_in(self.path)
        self._lines = Lines(self._rows)
        return self._lines.done

    def write(self, rows: list[bytes]) -> None:
        """Append rows, each a line of JSON without its end.

        Raises:
            UnavailableError: the disk does not take them; those before are kept.
        """
        if self._lines is None:
            from edge_infer.tools.batch.parquet import thaw

            thaw(self.path, self._rows)
            self._lines = Lines(self._rows)
        self._lines.write(rows)

    def sync(self, *, due: bool = False) -> None:
        """Make them survive a power cut; `due`: only if that was last done long ago."""
        if self._lines:
            self._lines.sync(due=due)

    def finish(self, video: str) -> None:
        """Note that every frame of a video is in it."""
        self.sync()  # first: a note without the rows would be a lie
        self._record.finish(video)

    def complete(self) -> Iterator[int]:
        """Give it its last form; yields how many rows were brought into it, now and then."""
        self.sync()
        if self._parquet and self._lines:
            from edge_infer.tools.batch.parquet import freeze

            yield from freeze(self._rows, self.path)
            self._lines.close()
            self._lines = None
            self._rows.unlink()

    def close(self) -> None:
        """Let others have it."""
        if self._lines:
            self._lines.close()
        self._record.close()


def is_parquet(out: Path) -> bool:
    """Which of the two it is, told by its name.

    Raises:
        UsageError: neither.
        UnavailableError: what Parquet needs is not installed.
    """
    if out.suffix == PARQUET:
        try:
            import pyarrow.parquet  # noqa: F401 - long before it is needed
        except ImportError as error:
            raise UnavailableError(f"{out} needs pyarrow: pip install 'edge-infer[parquet]'") from error
        return True
    if out.suffix not in LINES:
        raise UsageError(f"--out {out} ends with none of {', '.join((*LINES, PARQUET))}: its name says what is written")
    return False
