"""Rooms import downwards only (docs/architecture.md)."""

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import edge_infer

PACKAGE = Path(edge_infer.__file__).parent

# From the ground up; a room is a package or a module. Rooms in one tuple may import each other, those beside it not.
LAYERS: list[list[tuple[str, ...]]] = [
    [("types", "interop"), ("errors",)],
    [("config",), ("flow",), ("logs",), ("plugins",), ("pictures",), ("features",)],
    [
        ("prepare",),
        ("decode",),
        ("analyse",),
        ("wire",),
        ("bundle", "catalogue"),
        ("draw",),
        ("plan",),
        ("mqtt",),
        ("matroska",),
        ("tape",),
    ],
    [("sources",), ("runtime",), ("deliver",), ("health",), ("collector",)],
    [("kinds",), ("feeding",)],
    [
        (
            "recipe",
            "engine",
            "placement",
            "model",
            "loading",
            "golden",
            "cascading",
            "settings",
            "pipeline_settings",
            "registry",
            "evidence",
            "sharing",
            "assigning",
            "placing",
            "intake",
            "ahead",
        )
    ],
    [
        (
            "daemon",
            "doors",
            "report",
            "pipeline",
            "pipelines",
            "streaming",
            "analysing",
            "event_pictures",
            "gating",
            "fusing",
            "capturing",
            "inferring",
            "answering",
            "supervisor",
            "reloading",
            "rehearsing",
            "moving",
            "orders",
            "starting",
            "errands",
            "snapshots",
            "departing",
            "showing",
            "recording",
            "keeping",
            "keeping_fusions",
            "reel",
            "provenance",
            "tuning",
            "tools",
        )
    ],
    [("cli", "testing", "__main__")],
]
PLACES = {name: (level, rooms) for level, layer in enumerate(LAYERS) for rooms in layer for name in rooms}


def sources() -> dict[str, str]:
    """Source text of each module by its name within the package; the package itself is ""."""
    modules = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        modules[".".join(part for part in parts if part != "__init__")] = path.read_text()
    return modules


def imports(text: str, modules: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """(line, imported module, imported name or "") of each import from the package, wherever it stands."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            pairs = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            pairs = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for module, name in pairs:
            if module.split(".")[0] != "edge_infer":
                continue
            inner = module.partition(".")[2]
            below = f"{inner}.{name}".strip(".")
            yield (node.lineno, below, "") if below in modules else (node.lineno, inner, name)


def violations(modules: Mapping[str, str]) -> list[str]:
    """What breaks the rules, each with its place."""
    found = []
    for module, text in modules.items():
        if not module:  # the package itself: its names are looked up when they are used
            continue
        mine = PLACES.get(module.split(".")[0])
        if mine is None:
            found.append(f"{module} has no layer")
            continue
        for line, imported, name in imports(text, modules):
            place = f"{module}:{line} imports {imported or 'edge_infer'}{f'.{name}' if name else ''}"
            if any(part.startswith("_") and not part.startswith("__") for part in (*imported.split("."), name)):
                found.append(f"{place}: private")
            theirs = PLACES.get(imported.split(".")[0])
            if imported and theirs is None:
                found.append(f"{place}: no layer")
            elif theirs and theirs[0] > mine[0]:
                found.append(f"{place}: upwards")
            elif theirs and theirs[0] == mine[0] and theirs[1] != mine[1]:
                found.append(f"{place}: sideways")
            elif not imported and name != "__version__":
                found.append(f"{place}: from the package itself")
    return found


def test_rooms_import_downwards_only() -> None:
    assert violations(sources()) == []


def test_every_room_of_the_plan_is_there() -> None:
    assert {module.split(".")[0] for module in sources() if module} == set(PLACES)


def test_the_lazy_names_of_the_package_lead_somewhere() -> None:
    names = ast.parse((PACKAGE / "__init__.py").read_text())
    checked = {  # what `if TYPE_CHECKING` tells type checkers
        alias.name: node.module
        for node in ast.walk(names)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("edge_infer.")
        for alias in node.names
    }
    assert checked == edge_infer._HOME
    assert set(edge_infer.__all__) == {*edge_infer._HOME, "__version__"}
    for name, home in edge_infer._HOME.items():
        assert getattr(edge_infer, name) is getattr(importlib.import_module(home), name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = edge_infer.nothing


BAD = {
    "upwards": ("types", "from edge_infer.errors import X\nfrom edge_infer.model import Model", "upwards"),
    "upwards in a function": ("flow.mailbox", "def f():\n    from edge_infer.daemon import Daemon", "upwards"),
    "upwards for types": (
        "decode.ssd",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import edge_infer.runtime.fake",
        "upwards",
    ),
    "a module of another room": ("decode.nms", "from edge_infer.prepare import image", "sideways"),
    "the room beside": ("sources.video", "from edge_infer.runtime.fake import FakeRuntime", "sideways"),
    "ground to ground": ("types", "from edge_infer.errors import ModelError", "sideways"),
    "a private name": ("decode.ssd", "from edge_infer.decode.nms import _secret", "private"),
    "a private module": ("decode.ssd", "import edge_infer.decode._nms", "private"),
    "the package itself": ("cli.run", "from edge_infer import load", "from the package itself"),
    "a room without a layer": ("utils", "", "has no layer"),
    "a room that is not there": ("cli.run", "from edge_infer.helpers import help", "no layer"),
}


@pytest.mark.parametrize(("module", "text", "fault"), BAD.values(), ids=BAD)
def test_the_walk_finds(module: str, text: str, fault: str) -> None:
    found = violations({**dict.fromkeys(("prepare.image", "runtime.fake"), ""), module: text})
    assert len(found) >= 1
    assert any(line.endswith(fault) for line in found), found


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("sources.video", "from edge_infer.sources.pace import sleep_until\nfrom edge_infer.types import Frame"),
        ("model", "from edge_infer.kinds.kind import Recipe"),
        ("daemon", "from edge_infer import __version__\nfrom edge_infer.tools.watch import Watch\nimport numpy as _n"),
        ("settings", "from edge_infer import config"),
    ],
)
def test_the_walk_lets_good_imports_be(module: str, text: str) -> None:
    assert violations({"config": "", module: text}) == []
