"""What was measured survives a restart, holds for this machine only, and is never in the way."""

from pathlib import Path

import msgspec
import pytest
from evidenced import EVIDENCE

from edge_infer.errors import UnavailableError
from edge_infer.evidence import FILE, evidence_key, keep_evidence, processor, read_evidence


def test_what_is_kept_is_read_again_beside_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert read_evidence(folder) == {}
    assert keep_evidence({"a": EVIDENCE}, folder) == folder / FILE
    later = msgspec.structs.replace(EVIDENCE, at=2.0)
    keep_evidence({"b": EVIDENCE}, folder)
    keep_evidence({"a": later}, folder)
    assert read_evidence(folder) == {"a": later, "b": EVIDENCE}


@pytest.mark.parametrize(
    "text", ["", "{", '{"schema": "edge-infer/tuning@2", "measured": {}}', '{"measured": {"a": 1}}']
)
def test_a_file_that_cannot_be_understood_is_as_none(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_evidence(tmp_path) == {}
    assert "figures cannot be read" in caplog.text


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=rf"{tmp_path}/file/tuning.json cannot be written .*--state-dir"):
        keep_evidence({}, tmp_path / "file")


def test_figures_hold_for_the_content_of_a_model_the_runtime_and_the_machine(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    for path, text in ((one, "a"), (same, "a"), (other, "b")):
        path.write_text(text)
    key = evidence_key(one, "ai_edge_litert 2.3.0")
    assert key == evidence_key(same, "ai_edge_litert 2.3.0")
    assert key not in (evidence_key(other, "ai_edge_litert 2.3.0"), evidence_key(one, "ai_edge_litert 2.4.0"))
    assert processor() in key
    with pytest.raises(UnavailableError, match="cannot be read"):
        evidence_key(tmp_path / "none", "x")


def test_a_board_is_called_as_it_calls_itself_and_others_by_their_processor(tmp_path: Path) -> None:
    pi, pc, other = tmp_path / "pi", tmp_path / "pc", tmp_path / "other"
    (pi / "proc/device-tree").mkdir(parents=True)
    (pi / "proc/device-tree/model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    (pc / "proc").mkdir(parents=True)
    (pc / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: fpu\n")
    assert processor(pi) == "Raspberry Pi 5 Model B Rev 1.0"
    assert processor(pc) == "AMD EPYC"
    assert processor(other)
