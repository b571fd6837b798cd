"""What the documents say is true: each command exists, each key is known, each block runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edge_infer import config
from edge_infer.bundle.manifest import Decode, Manifest, Prepare
from edge_infer.cli.main import COMMANDS, main
from edge_infer.errors import ConfigError, EdgeInferError
from edge_infer.settings import Settings, sample

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ["README.md", "docs/library.md", "docs/accelerators.md", "docs/cascades.md", "docs/gates.md"]
MODULES = Path(config.__file__).parents[1]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


def structs(kind: type) -> set[type]:
    """A struct and all that it holds."""
    found: set[type] = set()
    waiting = [kind]
    while waiting:
        info = msgspec.inspect.type_info(waiting.pop())
        for part in parts(info):
            if isinstance(part, msgspec.inspect.StructType) and part.cls not in found:
                found.add(part.cls)
                waiting += [part.cls]
    return found


def parts(info: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    """A type and the types that it is made of."""
    inner: list[msgspec.inspect.Type] = []
    if isinstance(info, msgspec.inspect.StructType):
        inner = [field.type for field in info.fields]
    elif isinstance(info, msgspec.inspect.UnionType):
        inner = list(info.types)
    elif isinstance(info, msgspec.inspect.DictType):
        inner = [info.value_type]
    elif isinstance(info, msgspec.inspect.Metadata):
        inner = [info.type]
    nested = [part for one in inner if not isinstance(one, msgspec.inspect.StructType) for part in parts(one)]
    return [info, *nested, *(one for one in inner if isinstance(one, msgspec.inspect.StructType))]


@pytest.mark.parametrize("document", RUN)
def test_each_python_block_runs(document: str, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(ROOT / document, "python")):
        script = tmp_path / f"block{number}.py"
        script.write_text(block)
        environment = os.environ | {"STATE_DIRECTORY": str(tmp_path)}
        ran = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, f"block {number} of {document}:\n{ran.stderr}"
        assert ran.stdout, f"block {number} of {document} shows nothing"


def test_each_configuration_in_the_documents_is_in_order() -> None:
    texts = [text for document in DOCUMENTS for text in blocks(document, "yaml")]
    assert len(texts) >= 3
    for text in texts:
        config.parse(text, Manifest if "edge-infer/bundle@1" in text else Settings)


def test_the_message_in_the_documents_is_what_a_user_sees() -> None:
    text = "version: 1\ndevice: {id: porch}\npipelines:\n  door:\n    source: {kind: picamera}\n    model: {path: m}\n"
    with pytest.raises(ConfigError) as caught:
        config.parse(text + "    decode:\n        min_scor: 0.5\n", Settings, "edge-infer.yaml")
    assert "unknown key 'min_scor', did you mean 'min_score'?" in str(caught.value)


def test_every_key_is_documented() -> None:
    assert sample() in (ROOT / "docs/configuration.md").read_text()
    configuration = (ROOT / "docs/configuration.md").read_text()
    for struct in structs(Settings):
        for name in struct.__struct_fields__:
            assert re.search(rf"\b{name}\b", configuration), f"{struct.__name__}.{name} is not in configuration.md"
    bundle = (ROOT / "docs/bundle.md").read_text()
    for struct in structs(Manifest) - {Prepare, Decode}:
        for name in struct.__struct_fields__:
            assert re.search(rf"\b{name}\b", bundle), f"{struct.__name__}.{name} is not in bundle.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented_and_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"`edge-infer {command}" in README
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert COMMANDS[command][1:20] in capsys.readouterr().out


def test_every_exit_code_is_documented() -> None:
    def codes(error: type[EdgeInferError]) -> set[int]:
        return {error.exit_code}.union(*(codes(child) for child in error.__subclasses__()))

    for code in codes(EdgeInferError):
        assert f" {code} " in README


def test_every_file_that_the_documents_name_is_there() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_script_that_the_documents_name_is_there() -> None:
    for document in DOCUMENTS:
        for script in re.findall(r"scripts/([\w-]+)(?![\w./-])", document.read_text()):
            assert (ROOT / "scripts" / script).exists(), f"{document.name} names scripts/{script}"


def test_documents_named_in_the_code_are_there() -> None:
    for module in MODULES.rglob("*.py"):
        for name in re.findall(r"docs/[\w/.-]+\w", module.read_text()):
            assert list(ROOT.glob(f"{name}*")), f"{module.name} names {name}"


def test_every_kind_of_model_is_told_by_something() -> None:
    from edge_infer.kinds.registry import built_in

    page = (ROOT / "docs/zero-configuration.md").read_text()
    assert [kind.name for kind in built_in() if f"`{kind.name}`" not in page] == []
