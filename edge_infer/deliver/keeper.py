"""The `outbox` thread: what is not acknowledged in time goes to the disk, what is wanted comes back from it."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge_infer.deliver.commit import Commit
from edge_infer.deliver.epoch import next_epoch
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.outbox import Outbox
from edge_infer.deliver.store import DamagedStoreError, Found, Store, StoreError
from edge_infer.errors import UnavailableError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.heartbeat import Heartbeat
from edge_infer.wire.payloads import ClockState

log = logging.getLogger(__name__)

RETRY_S = 10.0  # a disk that failed is tried again at least so often
STUCK_S = 2.5  # an access that takes longer: the disk does not answer
OPEN_S = 30.0  # this one reads the whole file, to know whether it is damaged
SETTLE_S = 30.0  # how far the last transaction may lie back: what a power cut leaves open begins there
STOP_S = 5.0  # for the last transaction


class Keeper:
    """Owns the outbox's file. A disk that fails, is full or hangs costs durability, never a result in RAM.

    Attributes:
        outbox: what it keeps
        on_change: called when something can be sent that could not before
        commits: transactions since the start
        error: what ended the thread, if it was no stop
        written_bytes: what they wrote, as the kernel counts for this thread; None where it does not tell
    """

    def __init__(
        self,
        state_dir: Path,
        device: str,
        limits: OutboxSettings,
        clock_state: Callable[[], ClockState] = lambda: "synced",
    ) -> None:
        """Open the file, begin an epoch, and take over what waits.

        Raises:
            UnavailableError: another process has this outbox, or a newer version wrote it.
        """
        self.commits = 0
        self.on_change: Callable[[], None] = lambda: None
        self.error: Exception | None = None
        self.written_bytes: int | None = None
        self._clock_state = clock_state
        self._store = Store(state_dir / f"outbox-{device}.db")
        self._state_dir = state_dir
        self._open = False
        self._heartbeat = Heartbeat()
        self._cleaned_at = 0.0
        self._committed_at = time.monotonic()
        self._oldest_epoch = 0  # that the file may hold something of
        self._known = False  # the file was read once: RAM knows what lies in it
        self._backoff = Backoff(base=1.0, cap=RETRY_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self.outbox = self._begin(limits)

    def _begin(self, limits: OutboxSettings) -> Outbox:
        try:
            found = self._store.open()
        except StoreError as error:
            epoch, self._oldest_epoch = next_epoch(self._state_dir)
            outbox = Outbox(epoch, secrets.token_hex(8), limits, durable=True)
            outbox.trouble = str(error)
            log.error("%s; results are kept in RAM only", error)  # noqa: TRY400 - its sentence says it all
            return outbox
        open_from = None if found.set_aside else found.oldest_epoch
        epoch, self._oldest_epoch = next_epoch(self._state_dir, above=found.last_epoch, open_from=open_from)
        outbox = Outbox(epoch, secrets.token_hex(8), limits, durable=True)
        try:
            self._take_over(outbox, found)
        except (StoreError, DamagedStoreError) as error:
            outbox.trouble = str(error)
        return outbox

    def _take_over(self, outbox: Outbox, found: Found) -> None:
        """Make what lies in the file ours."""
        if found.set_aside:
            log.error("the outbox was damaged and is set aside", extra={"file": str(found.set_aside)})
        lost_from = self._oldest_epoch if found.set_aside and not self._known else None
        gaps = self._store.begin_epoch(outbox.epoch, outbox.boot, found, lost_from)
        outbox.restore(found.chunks, gaps, found.boots)
        self._open = self._known = True
        if found.chunks:
            log.info("results of earlier starts wait for delivery", extra={"results": outbox.counts.recovered})

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def works(self) -> bool:
        """It runs, and the disk takes what waits."""
        return self._thread.is_alive() and self.trouble is None

    @property
    def trouble(self) -> str | None:
        """Why nothing is written now."""
        act = self._heartbeat.overdue()
        if act:
            return f"the disk does not answer: {act.what} {self._store.path} takes longer than {act.limit_s:g} s"
        return self.outbox.trouble

    def close(self) -> bool:
        """Write what waits, and end; True if all of it is on the disk."""
        self._stopping.set()
        with self.outbox.changed:
            self.outbox.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        elif self._thread.ident is None:  # never started
            self._finish()
        return not self.outbox.fresh_bytes

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wait()
                self._turn()
            self._finish()
        except Exception as error:
            self.error = error
            log.exception("the outbox ended")

    def _wait(self) -> None:
        """Until something is due."""
        outbox = self.outbox
        commit_s = outbox.limits.commit_s
        since = outbox.fresh_since()
        delay = commit_s if since is None else max(0.0, since + commit_s - time.monotonic())
        if outbox.trouble:
            delay = self._backoff.next_delay()
        outbox.wait_for_work(min(delay, max(commit_s, 1.0)), self._stopping, readable=self._open)

    def _turn(self) -> None:
        outbox = self.outbox
        try:
            if not self._open:
                self._reopen()
            self._load()
            outbox.expire(time.time() if self._clock_state() == "synced" else None)
            if self._is_due():
                self._commit(grow=True)
            elif time.monotonic() - self._cleaned_at >= max(1.0, outbox.limits.commit_s):
                self._commit(grow=False)  # what was acknowledged or given up
            if self._store.requested():
                log.warning("an operator dropped what waited", extra={"results": outbox.drop()})
                self._commit(grow=False)
                self._store.answered()
        except (StoreError, UnavailableError) as error:
            self._failed(str(error))
        except DamagedStoreError as error:
            self._damaged(error)

    def _is_due(self) -> bool:
        """Some record was long enough in RAM only, or must not be."""
        outbox = self.outbox
        since = outbox.fresh_since()
        age = 0.0 if since is None else time.monotonic() - since
        return outbox.urgent or outbox.trouble is not None or age >= outbox.limits.commit_s

    def _commit(self, *, grow: bool) -> None:
        outbox = self.outbox
        short = self._space_is_short()
        now = time.monotonic()
        commit = outbox.begin_commit(grow=grow and short is None, always=now - self._committed_at > SETTLE_S)
        self._cleaned_at = now
        if commit is not None:
            self._write(commit)
        if short:
            self._failed(short)
        elif outbox.trouble:
            log.info("results are kept on the disk again", extra={"file": str(self._store.path)})
            outbox.trouble = None
            self._backoff.reset()

    def _write(self, commit: Commit) -> None:
        try:
            with self._heartbeat.working("a transaction in", STUCK_S):
                rows = self._store.commit(commit, self.outbox.epoch)
        except BaseException:
            self.outbox.not_committed(commit)
            raise
        self.outbox.committed(commit, rows)
        self.commits += 1
        self._committed_at = time.monotonic()
        if commit.gaps:
            self.on_change()
        self.written_bytes = _written_by_this_thread()

    def _space_is_short(self) -> str | None:
        minimum = self.outbox.limits.min_free_bytes
        try:
            with self._heartbeat.working("the file system of", STUCK_S):
                disk = os.statvfs(self._state_dir)
        except OSError as error:
            raise StoreError(f"cannot keep results in {self._state_dir}: {error.strerror}") from error
        free = disk.f_bavail * disk.f_frsize
        if free >= minimum:
            return None
        return f"the disk of {self._state_dir} has {free / 1e6:.0f} MB left, less than min_free_bytes: make room"

    def _load(self) -> None:
        for chunk in self.outbox.wanted():
            if chunk.row is None:
                continue
            try:
                with self._heartbeat.working("reading", STUCK_S):
                    records = self._store.load(chunk.row)
            except ValueError:
                records = []  # it is given up as damaged
            self.outbox.loaded(chunk, records)
            self.on_change()

    def _reopen(self) -> None:
        """The disk failed: look at the file anew."""
        with self._heartbeat.working("opening", OPEN_S):
            found = self._store.open()
        outbox = self.outbox
        if found.set_aside:
            outbox.give_up_disk()
        if outbox.epoch in found.boots:  # RAM knows all that lies in it
            self._open = True
        else:
            self._take_over(outbox, found)

    def _failed(self, why: str) -> None:
        outbox = self.outbox
        self._open = self._open and self._store.is_open
        if outbox.trouble is None or outbox.trouble.split(":")[0] != why.split(":")[0]:
            log.error("%s; results are kept in RAM only", why)
        with outbox.changed:
            outbox.trouble = why
            outbox.changed.notify_all()

    def _damaged(self, error: DamagedStoreError) -> None:
        log.error("the outbox is damaged and is set aside: %s", error)
        self._open = False
        try:
            self._store.set_aside()
        except (StoreError, DamagedStoreError) as failure:
            self._failed(str(failure))
            return
        self.outbox.give_up_disk()
        self._failed("the outbox was damaged and is set aside")

    def _finish(self) -> None:
        """The last transaction."""
        try:
            if not self._open:
                self._reopen()
            commit = self.outbox.begin_commit()
            if commit is not None:
                self._write(commit)
            self._store.close_epoch(self.outbox.epoch)
        except (StoreError, DamagedStoreError, UnavailableError) as error:
            log.error("the last results were not written: %s", error)  # noqa: TRY400
        self._store.close()


def _written_by_this_thread() -> int | None:
    """Bytes that this thread caused to be written to the disk. Source: proc(5), /proc/[pid]/io."""
    try:
        text = Path("/proc/thread-self/io").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("write_bytes")), None)
