"""What MediaPipe Tasks and the Task Library share: RGB in, detections or classifications out, published with paho."""

from collections.abc import Callable, Iterable
from typing import Any

import cv2

from bench_peers.workers.publishing import Publishing
from bench_peers.workers.turns import Given, Said, Turns


def serve(given: Given, ask: Callable[[Any], Any], picture: Callable[[Any], Any], packages: Iterable[str]) -> None:
    """`ask` about what `picture` makes of an RGB array, until the last turn."""
    turns = Turns(given)
    publishing = Publishing(turns)
    described = objects if given.kind == "ssd" else classes

    def run() -> None:
        while True:
            number, frame = turns.read()
            rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)  # the Task Library borrows it: it must live as long as that
            found = ask(picture(rgb))
            publishing.send(number, turns.say(number, described(found)))

    turns.work([run], packages)


def objects(found: Any) -> Said:
    """Of a detector's result."""
    return [object_of(one.bounding_box, one.categories[0]) for one in found.detections]


def object_of(box: Any, best: Any) -> dict[str, Any]:
    """One object."""
    corners = [box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height]
    return {"label": best.category_name, "score": best.score, "box": corners}


def classes(found: Any) -> Said:
    """Of a classifier's result."""
    return [{"label": one.category_name, "score": one.score} for one in found.classifications[0].categories]
