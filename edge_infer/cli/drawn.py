"""The pictures that `edge-infer infer --out` writes, and what they are called."""

from collections.abc import Iterable
from pathlib import Path

from edge_infer.types import Array, Mask, Result

CLASSES = "-classes.png"


class Drawn:
    """A name for each input: `<its name>.jpg`, and `<its name>-classes.png` for class ids.

    Inputs of the same name get a number; no input is overwritten, and in a folder that holds inputs "-drawn" is added,
    so that pictures which are there already stay, too. A second run overwrites what the first has written.
    """

    def __init__(self, folder: Path | None, inputs: Iterable[Path]) -> None:
        """Write nothing where there is no folder; `inputs` are all that will come."""
        self._folder = folder
        self._inputs = {path.resolve() for path in inputs} if folder else set()
        beside = folder is not None and folder.resolve() in {path.parent for path in self._inputs}
        self._suffix = "-drawn" if beside else ""
        self._names: dict[Path, str] = {}  # of the inputs that were met
        self._taken: set[str] = set()

    def save(self, path: Path, picture: Array, result: Result) -> dict[str, str]:
        """Write what there is to see; says where it is, by what it is.

        Raises:
            UnavailableError: it cannot be written.
        """
        if self._folder is None:
            return {}
        from edge_infer.draw import draw, save, save_png

        name = self._name(self._folder, path)
        written = {"drawn": str(save(draw(picture, result, enlarge=True), self._folder / f"{name}.jpg"))}
        if isinstance(result.prediction, Mask):
            written["mask"] = str(save_png(result.prediction.class_map, self._folder / f"{name}{CLASSES}"))
        return written

    def _name(self, folder: Path, path: Path) -> str:
        """The same input has the same name again."""
        source = path.resolve()
        if source not in self._names:
            number, name = 1, f"{path.stem}{self._suffix}"
            while self._is_taken(folder, name):
                number += 1
                name = f"{path.stem}{self._suffix}-{number}"
            self._names[source] = name
            self._taken.add(name.casefold())
        return self._names[source]

    def _is_taken(self, folder: Path, name: str) -> bool:
        files = {(folder / f"{name}{ending}").resolve() for ending in (".jpg", CLASSES)}
        return name.casefold() in self._taken or not files.isdisjoint(self._inputs)
