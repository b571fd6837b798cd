"""The machines that can be stood in for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
C_COMPILER = ("gcc", "libc6-dev")  # the tests make a stand-in for libedgetpu


@dataclass(frozen=True)
class Release:
    """A release of Debian, on which Raspberry Pi OS is built: its Python, and its glibc is 2.x."""

    python: str
    glibc: int


RELEASES = {"bookworm": Release("3.11", 36), "trixie": Release("3.13", 41)}


@dataclass(frozen=True)
class Board:
    """One kind of machine.

    Attributes:
        machine: as Python calls it
        architecture: as Debian calls it
        emulator: qemu-user's program, as its registration in /usr/lib/binfmt.d is called
        processors: the first is the usual one
        releases: that have a TFLite runtime for it
        packages: of Debian, beside Python
        from_debian: requirements that PyPI has no wheels of; these are Debian's
        from_source: requirements that PyPI has no wheels of; these are compiled
        not_run: tests that its libraries do not pass, by the reason
    """

    name: str
    machine: str
    architecture: str
    emulator: str
    processors: tuple[str, ...]
    releases: tuple[str, ...]
    packages: tuple[str, ...]
    from_debian: frozenset[str] = frozenset()
    from_source: frozenset[str] = frozenset()
    not_run: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def folder(self, release: str) -> Path:
        """Where its files lie."""
        return REPOSITORY / "build" / f"{self.name}-{release}"


BOARDS = {
    board.name: board
    for board in (
        Board(
            name="arm64",
            machine="aarch64",
            architecture="arm64",
            emulator="qemu-aarch64",
            processors=("cortex-a72", "cortex-a53", "cortex-a76"),  # Raspberry Pi 4, 3 and Zero 2, 5
            releases=("bookworm", "trixie"),
            packages=C_COMPILER,
        ),
        Board(
            name="armv7",
            machine="armv7l",
            architecture="armhf",
            emulator="qemu-arm",
            processors=("cortex-a7", "cortex-a15"),  # Raspberry Pi 2; qemu-arm has no newer one
            releases=("bookworm",),  # tflite-runtime ends with Python 3.11, LiteRT has no wheels for it
            packages=(
                *C_COMPILER,
                "libpython3-dev",
                "python3-numpy",
                "python3-opencv",
                "python3-psutil",
                "python3-yaml",
            ),
            from_debian=frozenset({"numpy", "opencv-python-headless", "PyYAML"}),
            from_source=frozenset({"msgspec"}),
            not_run={
                "Debian 12's OpenCV 4.6 makes no float16 pictures": (
                    "prepare/test_image.py::test_the_tensor_has_the_shape_and_type_of_the_input",
                ),
                "its kernels round otherwise, so that one mistake more is noticed": (
                    "golden/test_mistakes.py::test_what_the_golden_tests_of_real_models_notice[movenet]",
                ),
            },
        ),
    )
}
