"""A plug-in that is broken is named with its package, and disturbs no other."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec import Struct
from tflite_writer import ADD, Graph, Op, Tensor, model_bytes

import edge_infer
from edge_infer import plugins
from edge_infer.cli.main import main
from edge_infer.errors import ConfigError, EdgeInferError, InputError, ModelError, UnavailableError
from edge_infer.kinds.kind import Kind
from edge_infer.plugins import DECODERS, SINKS, SOURCES
from edge_infer.registry import open_source
from edge_infer.settings import load_settings
from edge_infer.sources.source_kind import SourceKind

MODEL = Path(__file__).resolve().parents[2] / "models/face-detection"
CONFIG = "version: 1\ndevice: {{id: porch}}\npipelines:\n  door: {{source: {{kind: {}}}, model: {{path: m}}}}\n"
KIND = """
from edge_infer.decode.tensors import TensorsDecoder
from edge_infer.kinds.kind import Kind

def fail(*_):
    raise ValueError("no idea")

def build(recipe, specs, shapes):
    return TensorsDecoder(specs)

GOOD = Kind("mine", "tensors", "mine", build)
WILD = Kind("wild", "tensors", "wild", fail, recognise=fail)
"""
SOURCE = """
from edge_infer.sources.source_kind import PluggedSource, SourceKind

class Settings(PluggedSource, frozen=True, kw_only=True, tag="mine"):
    pass

def fail(settings, name):
    raise ValueError("no such thing")

MINE = SourceKind(Settings, fail)
OTHER = SourceKind(Settings, fail)
"""


def test_what_cannot_be_imported_is_told_with_its_package(install: Callable[..., None]) -> None:
    install("bad", SOURCES, "x = bad:X", "raise RuntimeError('half of it is missing')")
    with pytest.raises(
        UnavailableError, match=r"'x' \(edge_infer\.sources\) of bad 1\.0 cannot be loaded .*half of it"
    ):
        open_source("x:")


@pytest.mark.parametrize("points", ["x = bad:missing", "x = nowhere:X", "x = bad"])
def test_what_is_not_there_is_told_with_its_package(points: str, install: Callable[..., None]) -> None:
    install("bad", SOURCES, points)
    with pytest.raises(UnavailableError, match=r"of bad 1\.0 (cannot be loaded|is a module, not a SourceKind)"):
        plugins.find(SOURCES, "x", SourceKind)


def test_a_broken_one_keeps_no_other_from_working(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    install("bad", DECODERS, "x = bad:missing")
    install("good", DECODERS, "mine = good:GOOD", KIND)
    for _ in range(2):
        assert list(plugins.load(DECODERS, Kind)) == ["mine"]
    assert len([line for line in caplog.messages if "bad 1.0" in line]) == 1
    with edge_infer.load(MODEL, kind="mine", device="cpu") as model:
        assert model.task == "tensors"


def test_of_two_of_one_name_the_first_is_used(install: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    install("good", DECODERS, "mine = good:GOOD", KIND)
    install("bad", DECODERS, "mine = bad:missing")
    with caplog.at_level(logging.WARNING):
        assert plugins.package_of(plugins.installed(DECODERS)["mine"]) == "bad 1.0"
    assert "bad 1.0 and good 1.0 both bring 'mine'" in caplog.text


def test_a_kind_that_fails_is_told_with_its_package(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    install("good", DECODERS, "wild = good:WILD", KIND)
    tensors = [Tensor("image", (1, 8, 8, 3)), Tensor("odd", (1, 8, 8, 3))]
    (tmp_path / "odd.tflite").write_bytes(
        model_bytes(Graph(tensors, ["image"], ["odd"], [Op(ADD, ["image", "image"], ["odd"])]))
    )
    with pytest.raises(UnavailableError, match=r"'wild' .* of good 1\.0 fails \(ValueError: no idea\)"):
        edge_infer.load(MODEL, kind="wild", device="cpu")
    with pytest.raises(ModelError, match="cannot be known"):
        edge_infer.load(tmp_path / "odd.tflite", device="cpu", mean=0.0, std=1.0)
    assert "of good 1.0 fails" in caplog.text


def test_an_unknown_kind_of_model_gets_the_list_with_plug_ins(install: Callable[..., None]) -> None:
    install("good", DECODERS, "mine = good:GOOD", KIND)
    with pytest.raises(ModelError, match=r"no kind of model 'other'; there are ssd, .*mine"):
        edge_infer.load(MODEL, kind="other")


def test_a_source_that_cannot_be_opened_is_told(install: Callable[..., None]) -> None:
    install("good", SOURCES, "mine = good:MINE", SOURCE)
    with pytest.raises(EdgeInferError, match=r"the source mine cannot be opened \(ValueError: no such thing\)"):
        open_source("mine:")


def test_settings_that_bear_another_name_are_told(install: Callable[..., None], tmp_path: Path) -> None:
    install("good", SOURCES, "other = good:OTHER", SOURCE)
    (tmp_path / "config.yaml").write_text(CONFIG.format("other"))
    with pytest.raises(ConfigError, match=r"door.source.kind: .*of good 1\.0 has settings with the tag 'mine'"):
        load_settings(tmp_path / "config.yaml")


def test_a_broken_one_is_told_with_its_place_in_the_configuration(install: Callable[..., None], tmp_path: Path) -> None:
    install("bad", SOURCES, "x = bad:X")
    (tmp_path / "config.yaml").write_text(CONFIG.format("x"))
    with pytest.raises(
        ConfigError, match=r"config\.yaml:4:25: pipelines\.door\.source\.kind: the plug-in 'x' .*bad 1\.0"
    ):
        load_settings(tmp_path / "config.yaml")


def test_a_prefix_that_no_package_brings_is_an_address(install: Callable[..., None]) -> None:
    with pytest.raises(InputError, match="is no source that edge_infer knows"):
        open_source("mine:bars")


def test_without_plug_ins_a_sink_is_told_so(install: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.format("picamera") + "sinks: [{kind: x}]\n")
    with pytest.raises(
        ConfigError, match=r"sinks\[0\]\.kind: expected the name of an installed plug-in \(there is none\)"
    ):
        load_settings(tmp_path / "config.yaml")


@pytest.mark.parametrize("said", ["...", "null", "5", "[a]", "{b: c}", '""'])
def test_whatever_stands_for_a_kind_is_told(said: str, install: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.format("picamera") + f"sinks: [{{kind: {said}}}]\n")
    with pytest.raises(ConfigError, match=r"sinks\[0\]"):
        load_settings(tmp_path / "config.yaml")


def test_nothing_is_scanned_where_all_is_built_in(install: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.format("picamera"))
    load_settings(tmp_path / "config.yaml")
    edge_infer.load(MODEL, device="cpu").close()
    assert plugins.installed.cache_info().misses == 0


class Named(Struct, frozen=True):
    settings: type[Struct]


def test_what_is_no_plug_in_at_all_has_no_struct(install: Callable[..., None]) -> None:
    with pytest.raises(UnavailableError, match="no package brings a plug-in 'x'"):
        plugins.Extension(SINKS, Named).struct("x")
    assert plugins.Extension(SINKS, Named).names() == []
    assert np.array(plugins.GROUPS).size == 3


def test_the_command_lists_them_with_what_is_wrong(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins"]) == 0
    assert "no package brings a plug-in" in capsys.readouterr().out
    plugins.installed.cache_clear()
    install("good", DECODERS, "mine = good:GOOD", KIND)
    assert main(["plugins", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["plugins"]
    assert found == [{"kind": "decoder", "name": "mine", "package": "good 1.0", "error": None}]
    plugins.installed.cache_clear()
    install("bad", SOURCES, "x = bad:X")
    assert main(["plugins"]) == 69
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in shown] == [["source", "x"], ["decoder", "mine"]]
    assert "of bad 1.0 cannot be loaded" in shown[0]
