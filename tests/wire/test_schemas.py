"""The published schemas are those of the types."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def schemas() -> dict[str, str]:
    """Name and content of each file, as scripts/write_schemas.py makes them."""
    files: dict[str, str] = runpy.run_path(str(ROOT / "scripts/write_schemas.py"))["files"]()
    return files


def test_the_schemas_in_docs_are_current(schemas: dict[str, str]) -> None:
    written = {path.name: path.read_text() for path in (ROOT / "docs/schemas").glob("*.json")}
    assert written == schemas, "run scripts/schemas"


def test_each_message_says_what_it_is(schemas: dict[str, str]) -> None:
    for name, content in schemas.items():
        schema = json.loads(content)
        types = schema["$defs"]
        message = types[schema["$ref"].rsplit("/", 1)[-1]]
        assert message["description"], name
        if name not in ("command.json", "response.json"):
            kind = "results" if name == "events.json" else name.removesuffix(".json")  # the same envelope
            assert message["properties"]["schema"]["enum"] == [f"edge-infer/{kind}@1"]
