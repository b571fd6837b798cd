from pathlib import Path

from edge_infer.sources.microphones import Microphone, list_microphones

CARDS = """\
 0 [vc4hdmi0       ]: vc4-hdmi - vc4-hdmi-0
                      vc4-hdmi-0
 2 [Device         ]: USB-Audio - USB PnP Sound Device
                      C-Media Electronics Inc. USB PnP Sound Device at usb-0000:01:00.0-1.3, full speed
"""
PCM = """\
00-00: MAI PCM i2s-hifi-0 : MAI PCM i2s-hifi-0 : playback 1
02-00: USB Audio : USB Audio : playback 1 : capture 1
02-01: USB Audio #1 : USB Audio #1 : capture 2
"""


def test_what_can_capture_is_listed_by_the_name_of_its_card(tmp_path: Path) -> None:
    (tmp_path / "proc/asound").mkdir(parents=True)
    (tmp_path / "proc/asound/cards").write_text(CARDS)
    (tmp_path / "proc/asound/pcm").write_text(PCM)
    name = "USB PnP Sound Device"
    assert list_microphones(tmp_path) == [Microphone(2, 0, name), Microphone(2, 1, name)]
    assert str(list_microphones(tmp_path)[0]) == "mic:USB PnP Sound Device (hw:2,0)"


def test_a_machine_without_sound_has_none(tmp_path: Path) -> None:
    assert list_microphones(tmp_path) == []
