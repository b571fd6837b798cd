"""`edge-infer run --show --record`: the real command, looked at and killed."""

import http.client
import re
import signal
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from command import REPOSITORY, Daemon, run
from footage import write_clip
from test_matroska import shown
from waiting import until

from edge_infer.cli.main import main

MODEL = REPOSITORY / "models/face-detection"
CONFIG = f"""\
version: 1
device: {{id: test}}
pipelines:
  door:
    source: {{kind: still, uri: {MODEL}/sample.jpg, fps: 20}}
    model: {{path: {MODEL}}}
"""


def test_what_a_camera_sees_is_shown_and_recorded_up_to_a_kill(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    film = tmp_path / "a.mkv"
    with Daemon(tmp_path, "--config", "c.yaml", "--show", "--record", film) as daemon:
        daemon.says("edge-infer: look at http://127.0.0.1:")
        address = urlsplit(re.findall(r"look at (\S+)", daemon.log)[0])
        with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)) as browser:
            browser.request("GET", f"{address.path}door.jpg")
            assert browser.getresponse().read()[:2] == b"\xff\xd8"
        until(lambda: film.exists() and film.stat().st_size > 300_000, what="some pictures")
        size = film.stat().st_size
        daemon.signal(signal.SIGKILL)
        daemon.ends(10)
    pictures = shown(film)
    assert len(pictures) >= 3
    assert film.stat().st_size >= size
    assert [at for at, _ in pictures] == sorted({at for at, _ in pictures})


def test_a_video_is_recorded_whole_with_its_own_times(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", fps=10.0)
    done = run("run", "--source", clip, "--model", MODEL, "--record", tmp_path / "a.mkv")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "recorded" in done.stderr
    assert "pictures=24 dropped=0" in done.stderr
    assert [at for at, _ in shown(tmp_path / "a.mkv")] == pytest.approx([100 * n for n in range(24)], abs=1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--record", "a.mp4"), 64, "name it a.mkv"),
        (("--record", "nowhere/a.mkv"), 69, "cannot write into nowhere"),
        (("--show", "porch"), 64, "porch is no [HOST:]PORT"),
        (("--show", "192.0.2.1:0"), 69, "cannot show pictures at 192.0.2.1"),
    ],
)
def test_what_cannot_be_shown_or_recorded_is_refused_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--source", str(MODEL / "sample.jpg"), "--model", str(MODEL), *arguments]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
