"""The camera that only a machine of its own has: scripts/test-camera."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/test-camera"


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_real_camera_in_a_machine_of_its_own_passes_its_tests() -> None:
    with subprocess.Popen([SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said, why = process.communicate(timeout=2300)
        finally:
            process.terminate()  # it ends its emulator
    if process.returncode == 69:
        pytest.skip(why.strip().splitlines()[-1])
    assert process.returncode == 0, f"{said}\n{why}"
    print(said)
