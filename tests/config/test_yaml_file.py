from pathlib import Path

import pytest
from example_settings import Camera, Folder, Mqtt, Pipeline, Region, Settings, in_settings

from edge_infer import config
from edge_infer.errors import ConfigError, Problem, UnavailableError

GOOD = """\
version: 1
device: porch
mqtt: {url: mqtts://broker.local, password_file: mqtt.pw}
pipelines:
  door:
    source: {kind: camera, uri: /dev/video0, size: [1280, 720], fps: 5}
    threads: all
    min_score: 1
    regions:
      - name: gate
        box: [0, 0.5, 1e2, 3]
      - name: 'on'
  yard:
    source:
      path: clips
      kind: folder
    live: off
labels: {cat: 0x10, dog: -1}
"""


@pytest.mark.usefixtures("loader")
def test_a_file_becomes_structs_and_its_relative_paths_count_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("\ufeff" + GOOD, encoding="utf-8")
    assert config.load(tmp_path / "config.yaml", Settings) == Settings(
        version=1,
        device="porch",
        mqtt=Mqtt(url="mqtts://broker.local", password_file=tmp_path / "mqtt.pw"),
        pipelines={
            "door": Pipeline(
                source=Camera(uri="/dev/video0", size=(1280, 720), fps=5.0),
                threads="all",
                min_score=1.0,
                regions=[Region(name="gate", box=(0.0, 0.5, 100.0, 3.0)), Region(name="on")],
            ),
            "yard": Pipeline(source=Folder(path=tmp_path / "clips"), live=False),
        },
        labels={"cat": 16, "dog": -1},
        data=Path("/var/lib/edge"),
    )


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(in_settings("data: /srv/data\n"))
    assert config.load(tmp_path / "config.yaml", Settings).data == Path("/srv/data")


def test_a_missing_file_is_unavailable_and_the_message_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"there is no file .*nowhere\.yaml: create it"):
        config.load(tmp_path / "nowhere.yaml", Settings)


def test_a_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be read"):
        config.load(tmp_path, Settings)


def test_the_error_names_the_file_before_each_place(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("version: 2\ndevice: 7\n")
    with pytest.raises(ConfigError) as caught:
        config.load(path, Settings)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}:1:10: version: expected 1, found 2"
    assert lines[1].startswith(f"{path}:2:9: device: expected text that matches ^[^+#/]*$, found 7")
    assert caught.value.problems[0] == Problem(1, 10, "version", "version: expected 1, found 2")


def test_the_mark_that_some_editors_put_before_a_text_does_not_shift_places(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 2\ndevice: x\n")
    with pytest.raises(ConfigError) as caught:
        config.load(path, Settings)
    assert [(p.line, p.column) for p in caught.value.problems] == [(1, 10)]
