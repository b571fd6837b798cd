import os
from pathlib import Path

import pytest
from waiting import until

from edge_infer.deliver.kept_pictures import KeptPictures


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_pictures_are_kept_by_the_id_of_their_event(tmp_path: Path) -> None:
    keep = KeptPictures(tmp_path / "new" / "folder", 100_000)
    keep(b"one", "1.000000-door-1")
    keep(b"two", "2.000000-door-2")
    keep.close()
    assert names(tmp_path / "new" / "folder") == ["1.000000-door-1.jpg", "2.000000-door-2.jpg"]
    assert (tmp_path / "new" / "folder" / "1.000000-door-1.jpg").read_bytes() == b"one"


def test_beyond_the_cap_the_oldest_go_and_nothing_of_others(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(bytes(200))
    (tmp_path / ".0.000000-door-0.new").write_bytes(bytes(90))  # torn by a power cut
    os.utime(tmp_path / ".0.000000-door-0.new", (0, 0))
    for number in range(1, 4):
        keep = KeptPictures(tmp_path, 250)
        keep(bytes(100), f"{number}.000000-door-{number}")
        keep.close()
        os.utime(tmp_path / f"{number}.000000-door-{number}.jpg", (number, number))
    assert names(tmp_path) == ["2.000000-door-2.jpg", "3.000000-door-3.jpg", "holiday.jpg"]


def test_a_folder_that_cannot_be_is_told_and_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    keep = KeptPictures(tmp_path / "file", 100_000)
    keep(b"one", "1.000000-door-1")
    until(lambda: "cannot keep a picture" in caplog.text)
    keep.close()


def test_without_pictures_there_is_no_thread_and_no_folder(tmp_path: Path) -> None:
    KeptPictures(tmp_path / "never", 100_000).close()
    assert names(tmp_path) == []
