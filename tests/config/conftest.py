import pytest
import yaml

from edge_infer.config import tree

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__)
def loader(request, monkeypatch):
    """With and without libyaml: the places must be the same."""
    monkeypatch.setattr(tree, "LOADER", request.param)
