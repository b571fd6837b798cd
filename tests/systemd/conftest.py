"""One booted system for all that is asked of the service in it."""

from collections.abc import Iterator

import pytest
from booted import Booted


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    with Booted(tmp_path_factory.mktemp("booted")) as system:
        yield system
