import sys
from importlib.util import find_spec

import pytest

from edge_infer.errors import UnavailableError
from edge_infer.runtime.libraries import KNOWN, VARIABLE, find_library

INSTALLED = [name for name in KNOWN if find_spec(name)]


@pytest.mark.parametrize("name", INSTALLED)
def test_an_installed_runtime_can_be_forced_by_name(name: str) -> None:
    library = find_library(name)
    assert library.name == name
    assert str(library) == f"{name} {library.version}"
    assert library.version[0].isdecimal()


@pytest.mark.parametrize("name", INSTALLED)
def test_an_installed_runtime_can_be_forced_by_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, name)
    assert find_library().name == name


def test_the_first_installed_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_library().name == INSTALLED[0]


def test_an_empty_variable_forces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert find_library().name == INSTALLED[0]


def test_an_unknown_runtime_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnavailableError, match="'onnx' is not known; choose one of ai_edge_litert, tflite_runtime"):
        find_library("onnx")


@pytest.mark.parametrize(
    ("name", "advice"), [("ai_edge_litert", "pip install ai-edge-litert"), ("tflite_runtime", r"edge-infer\[coral\]")]
)
def test_a_forced_runtime_that_is_missing_is_not_replaced_by_another(
    name: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, KNOWN[name][0], None)
    monkeypatch.setenv(VARIABLE, name)
    with pytest.raises(UnavailableError, match=f"no TFLite runtime .{name}: .*{advice}"):
        find_library()


def test_without_any_runtime_each_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for module, _ in KNOWN.values():
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnavailableError, match=r"ai_edge_litert: .*; tflite_runtime: "):
        find_library()
