import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_infer import plugins

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed docs/example_plugin."""
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the example")
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(ROOT / "docs/example_plugin", folder / "source")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    target = folder / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True)
    return target


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes packages with plug-ins, or takes one that is installed: `install(path)`, `install("name", group, text)`."""
    _forget()

    def make(name: str | Path, group: str = "", points: str = "", module: str = "") -> None:
        if isinstance(name, Path):
            monkeypatch.syspath_prepend(str(name))
            return
        folder = tmp_path / f"site-{name}"
        metadata = folder / f"{name}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{points}\n")
        (folder / f"{name}.py").write_text(module)
        monkeypatch.syspath_prepend(str(folder))

    yield make
    for module in [name for name in sys.modules if name in ("edge_infer_example", "bad", "good", "other")]:
        del sys.modules[module]
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for cached in (plugins.installed, plugins._loaded, plugins._warn_once):
        cached.cache_clear()
