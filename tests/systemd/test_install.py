"""Installing below another root: what is written, twice, half-way, and taken away again."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from booted import REPOSITORY

from edge_infer.errors import UnavailableError
from edge_infer.settings import sample
from edge_infer.tools import install as installing
from edge_infer.tools import install_pieces
from edge_infer.tools.install import Target, compiled, install, uninstall
from edge_infer.tools.install_pieces import PLACES, program, unseen

needs_systemctl = pytest.mark.skipif(shutil.which("systemctl") is None, reason="needs systemd: apt install systemd")


def files(root: Path) -> dict[str, str]:
    """What is there, with the content of files and the target of links."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
    return found


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another system. This Python may lie in a home, which is another test's business."""
    monkeypatch.setattr(install_pieces, "HIDDEN", ())
    monkeypatch.setattr(install_pieces, "_closed", lambda _: "")
    (tmp_path / "root/etc").mkdir(parents=True)
    for name in ("passwd", "group"):
        (tmp_path / "root/etc" / name).write_text("")
    return tmp_path / "root"


@needs_systemctl
def test_everything_is_put_in_its_place(root: Path) -> None:
    steps = list(install(Target(root=root), start=True))
    there = files(root)
    assert set(PLACES.values()) | {"etc/edge-infer/config.yaml"} <= set(there)
    assert there["etc/edge-infer/config.yaml"] == sample()
    unit = there["etc/systemd/system/edge-infer.service"]
    assert "/usr/bin/edge-infer" not in unit
    assert f"ExecStart={program(root)[0]} " in unit
    assert "etc/systemd/system/multi-user.target.wants/edge-infer.service" in there
    assert (root / "etc/systemd/system/edge-infer.service").stat().st_mode & 0o777 == 0o644
    assert (root / "etc/edge-infer/config.yaml").stat().st_mode & 0o777 == 0o644
    assert "apex:" in there["etc/group"]
    assert sum(step.startswith("wrote ") for step in steps) == len(PLACES) + 1


@needs_systemctl
def test_the_second_time_nothing_changes(root: Path) -> None:
    list(install(Target(root=root), start=True))
    before = files(root)
    steps = list(install(Target(root=root), start=True))
    assert files(root) == before
    assert sum(step.startswith("unchanged ") for step in steps) == len(PLACES)
    assert not [step for step in steps if step.startswith("wrote ")]


@needs_systemctl
@pytest.mark.parametrize("half", ["cut short", "missing", "a rest of writing"])
def test_what_was_interrupted_is_repaired(root: Path, half: str) -> None:
    list(install(Target(root=root), start=True))
    whole = files(root)
    unit = root / "etc/systemd/system/edge-infer.service"
    if half == "cut short":
        unit.write_text(unit.read_text()[:1000])
    elif half == "missing":
        unit.unlink()
        (root / "etc/systemd/system/multi-user.target.wants/edge-infer.service").unlink()
    else:
        unit.replace(unit.with_name(f".{unit.name}.new"))
    list(install(Target(root=root), start=True))
    assert files(root) == whole


@needs_systemctl
def test_a_configuration_that_is_there_is_never_touched(root: Path) -> None:
    (root / "etc/edge-infer").mkdir()
    (root / "etc/edge-infer/config.yaml").write_text("mine\n")
    list(install(Target(root=root), start=True))
    list(uninstall(Target(root=root), purge=False))
    assert (root / "etc/edge-infer/config.yaml").read_text() == "mine\n"


@needs_systemctl
@pytest.mark.parametrize("instance", [None, "door"])
def test_uninstall_leaves_nothing_that_install_wrote(root: Path, instance: str | None) -> None:
    before = files(root)
    list(install(Target(root=root), start=True))
    list(install(Target(root=root, instance=instance), start=True))
    (root / "var/lib/private/edge-infer").mkdir(parents=True)
    if instance:
        list(uninstall(Target(root=root, instance=instance), purge=True))
        assert "etc/systemd/system/edge-infer.service" in files(root)
        assert not [name for name in files(root) if "door" in name]
    list(install(Target(root=root, instance="yard"), start=True))
    list(uninstall(Target(root=root), purge=True))
    left = files(root)
    assert left.pop("etc/group") != before.pop("etc/group")  # groups stay: files may belong to them
    assert {
        name: text for name, text in left.items() if not name.startswith(("etc/gshadow", "etc/.", "etc/group-"))
    } == before
    assert not (root / "etc/edge-infer").exists()
    assert not (root / "var/lib/private/edge-infer").exists()
    steps = list(uninstall(Target(root=root), purge=True))
    assert all(step.startswith("not there ") for step in steps)


@needs_systemctl
def test_a_dry_run_shows_the_changes_and_makes_none(root: Path) -> None:
    list(install(Target(root=root), start=True))
    unit = root / "etc/systemd/system/edge-infer.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=10", "WatchdogSec=99"))
    before = files(root)
    steps = list(install(Target(root=root, dry_run=True), start=True))
    assert f"would write {unit}" in steps
    assert {"-WatchdogSec=99", "+WatchdogSec=10"} <= set(steps)
    assert any(step.startswith("would run  systemctl ") for step in steps)
    steps += list(uninstall(Target(root=root, dry_run=True), purge=True))
    assert f"would remove {unit}" in steps
    assert files(root) == before


@pytest.mark.parametrize("path", ["/root/venv/bin/python", "/home/pi/edge-infer", "/tmp/x", "/run/user/1000/x"])
def test_a_program_that_the_sandbox_hides_is_refused_with_the_way_out(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install_pieces.sys, "executable", path)
    with pytest.raises(UnavailableError, match=r"lies in /.*, which is hidden from it\. .*/opt/edge-infer"):
        list(install(Target(root=tmp_path), start=True))
    assert files(tmp_path) == {}


def test_a_program_that_other_users_cannot_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_pieces, "HIDDEN", ())
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    (tmp_path / "venv").chmod(0o700)
    monkeypatch.setattr(install_pieces.sys, "executable", str(python))
    with pytest.raises(UnavailableError, match="is closed to other users"):
        program(Path("/"))


def test_a_path_beside_a_home_is_seen() -> None:
    assert not unseen(Path("/homestead/x"))
    assert not unseen(Path("/opt/edge-infer/bin/python"))


def test_below_another_root_the_program_is_named_as_that_system_will_see_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = root / "opt/edge-infer/bin/python"
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    monkeypatch.setattr(install_pieces.sys, "executable", str(python))
    assert program(root) == ["/opt/edge-infer/bin/python", "-m", "edge_infer"]
    python.with_name("edge-infer").touch(0o755)
    assert program(root) == ["/opt/edge-infer/bin/edge-infer"]


@needs_systemctl
def test_a_path_with_spaces_and_percent_signs_reaches_systemd_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = root / "opt/my 100% venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    monkeypatch.setattr(install_pieces.sys, "executable", str(python))
    list(install(Target(root=root), start=True))
    unit = root / "etc/systemd/system/edge-infer.service"
    assert 'ExecStart="/opt/my 100%% venv/bin/python" "-m"' in unit.read_text().replace("-m edge_infer", '"-m"')


def test_without_systemd_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "BOOTED", tmp_path / "nothing")
    with pytest.raises(UnavailableError, match="systemd does not run here"):
        list(install(Target(), start=True))
    with pytest.raises(UnavailableError, match="systemd does not run here"):
        list(uninstall(Target(), purge=False))


def test_a_root_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="mount it first"):
        list(install(Target(root=tmp_path / "card"), start=True))
    assert not (tmp_path / "card").exists()


def test_only_root_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "BOOTED", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match="only root"):
        list(install(Target(), start=True))


@pytest.mark.slow
def test_a_wheel_carries_the_files(tmp_path: Path) -> None:
    """Built as a user gets it; pip fetches the build tool."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, REPOSITORY], check=True, timeout=100)
    with zipfile.ZipFile(next(tmp_path.glob("edge_infer-*.whl"))) as wheel:
        assert {f"edge_infer/systemd/{name}" for name in PLACES} <= set(wheel.namelist())


def test_the_package_gets_its_bytecode_once(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    module = tmp_path / "package/module.py"
    module.write_text("X = 1\n")
    assert compiled(tmp_path / "package", dry_run=True).startswith("would compile")
    assert not (tmp_path / "package/__pycache__").exists()
    assert compiled(tmp_path / "package").startswith("compiled ")
    (bytecode,) = (tmp_path / "package/__pycache__").iterdir()
    before = bytecode.stat().st_mtime_ns
    assert compiled(tmp_path / "package").startswith("compiled ")
    assert bytecode.stat().st_mtime_ns == before
    module.write_text("this is no Python\n")
    os.utime(module, (0, 0))  # bytecode knows the second in which its source was written
    assert compiled(tmp_path / "package").startswith("skipped ")
