"""Microphones that are forbidden, and the library that opens them."""

from pathlib import Path

import pytest
from machines import one
from other_user import as_nobody, open_folder

from edge_infer.settings import Settings, load_settings
from edge_infer.tools.doctor.microphone import check_microphones

FILES = {
    "proc/asound/cards": " 2 [Device         ]: USB-Audio - USB PnP Sound Device\n",
    "proc/asound/pcm": "02-00: USB Audio : USB Audio : playback 1 : capture 1\n",
    "dev/snd/pcmC2D0c": "",
}


def write(root: Path) -> Path:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def settings(folder: Path) -> Settings:
    path = folder / "config.yaml"
    path.write_text(
        "version: 1\ndevice: {id: porch}\npipelines:\n  ear:\n    source: {kind: mic}\n    model: {path: m.tflite}\n"
    )
    return load_settings(path)


def test_a_machine_without_microphones_has_nothing_to_mend(tmp_path: Path) -> None:
    assert one(check_microphones(None, tmp_path)).level == "skip"


def test_a_microphone_is_told_with_the_name_that_a_configuration_takes(tmp_path: Path) -> None:
    finding = one(check_microphones(None, write(tmp_path)))
    assert (finding.level, finding.what) == ("ok", "microphone hw:2,0")
    assert finding.detail == "mic:USB PnP Sound Device"


def test_a_microphone_that_may_not_be_opened_is_told() -> None:
    with open_folder() as root:
        write(root)
        (root / "dev/snd/pcmC2D0c").chmod(0o600)
        with as_nobody():
            finding = one(check_microphones(None, root))
    assert (finding.level, finding.command) == ("fail", "sudo usermod -aG audio $USER")


def test_portaudio_is_tried_where_the_configuration_has_a_microphone(tmp_path: Path) -> None:
    pytest.importorskip("sounddevice", exc_type=OSError)
    _, finding = check_microphones(settings(tmp_path), tmp_path)
    assert (finding.what, finding.level) == ("PortAudio", "ok")
