"""The epoch over restarts."""

import logging
import time
from pathlib import Path

import pytest

from edge_infer.deliver.epoch import next_epoch


def test_the_epoch_grows_by_one_at_each_start(tmp_path: Path) -> None:
    assert [next_epoch(tmp_path / "deep/state")[0] for _ in range(3)] == [1, 2, 3]
    assert (tmp_path / "deep/state/epoch").read_text() == "3 1\n"


def test_the_oldest_epoch_that_is_open_is_kept_until_more_is_known(tmp_path: Path) -> None:
    assert next_epoch(tmp_path) == (1, 1)
    assert next_epoch(tmp_path, open_from=2) == (2, 2)
    assert next_epoch(tmp_path, open_from=2) == (3, 2)
    assert next_epoch(tmp_path) == (4, 2)
    assert next_epoch(tmp_path, open_from=99) == (5, 5)


def test_an_epoch_that_was_used_elsewhere_is_passed_over(tmp_path: Path) -> None:
    assert next_epoch(tmp_path, above=1_800_000_000)[0] == 1_800_000_001
    assert next_epoch(tmp_path)[0] == 1_800_000_002


@pytest.mark.parametrize("torn", [b"", b"\0\0\0\0", b"4x", b"\xff\xfe"])
def test_a_torn_file_makes_the_epoch_jump_ahead_and_grow_on(
    tmp_path: Path, torn: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "epoch").write_bytes(torn)
    before = int(time.time())
    first, _ = next_epoch(tmp_path)
    assert first > before
    assert next_epoch(tmp_path)[0] == first + 1
    assert [record.message for record in caplog.records] == ["the epoch file is damaged, starting from the clock"]


def test_a_leftover_of_a_write_that_was_cut_short_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "epoch").write_text("8\n")
    (tmp_path / "epoch.new").write_text("")
    assert next_epoch(tmp_path)[0] == 9


def test_without_a_folder_that_can_be_written_the_clock_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    before = int(time.time())
    with caplog.at_level(logging.WARNING):
        epoch, _ = next_epoch(tmp_path / "state")
    assert before <= epoch <= time.time()
    assert "cannot keep the epoch" in caplog.text
