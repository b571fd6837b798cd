from pathlib import Path

import pytest

from edge_infer.config import credential


@pytest.mark.parametrize("name", ["mqtt.pw", "edge-infer_mqtt.pw"], ids=["alone", "of a folder"])
def test_a_credential_is_found_by_the_name_of_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credential(Path("/etc/edge-infer/credentials/mqtt.pw")) == tmp_path / name


@pytest.mark.parametrize("directory", [None, "", "elsewhere"])
def test_without_one_the_file_itself_is_meant(
    directory: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mqtt.pw").touch()  # in the working directory, which an empty name would mean
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if directory is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", directory)
    assert credential(Path("/etc/mqtt.pw")) == Path("/etc/mqtt.pw")
