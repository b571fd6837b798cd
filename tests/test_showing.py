import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from waiting import until

from edge_infer import showing
from edge_infer.errors import UnavailableError
from edge_infer.showing import MAX_VIEWERS, Showing
from edge_infer.types import Array, Frame, ModelId, Result


def show(page: Showing, level: int, pipeline: str = "door") -> None:
    frame = Frame("camera", level, np.full((240, 320, 3), level, np.uint8), 0.0, 0)
    page(pipeline, frame, Result.of(frame, task="detect", model=ModelId("m", "", ""), device="cpu", prediction=None))


@pytest.fixture
def page() -> Iterator[Showing]:
    with closing(Showing(["door", "back yard"])) as shown:
        yield shown


class Viewer:
    """A browser that asks for one thing."""

    def __init__(self, page: Showing, path: str, *, prefix: str | None = None) -> None:
        address = urlsplit(page.url)
        assert address.hostname
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        self._connection.request("GET", (address.path if prefix is None else prefix) + path)
        self.answer = self._connection.getresponse()
        self.status = self.answer.status

    def next_picture(self) -> float:
        """The grey of the next picture of a stream."""
        length = 0
        while (line := self.answer.readline()) != b"\r\n" or not length:
            assert line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return grey(self.answer.read(length))

    def close(self) -> None:
        self._connection.close()
        self.answer.close()


def grey(jpeg: bytes) -> float:
    image: Array | None = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return float(image.mean())


def test_the_page_has_a_picture_for_each_pipeline(page: Showing) -> None:
    with closing(Viewer(page, "")) as viewer:
        text = viewer.answer.read().decode()
    assert viewer.answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'src="door.mjpg"' in text
    assert 'src="back%20yard.mjpg"' in text


def test_who_looks_sees_each_new_picture(page: Showing) -> None:
    show(page, 50)
    with closing(Viewer(page, "door.mjpg")) as viewer:
        assert viewer.next_picture() == pytest.approx(50, abs=2)
        show(page, 120)
        assert viewer.next_picture() == pytest.approx(120, abs=2)


def test_the_newest_picture_wins_for_a_slow_viewer(page: Showing) -> None:
    show(page, 0)
    with closing(Viewer(page, "door.mjpg")) as viewer:
        viewer.next_picture()
        for level in range(1, 250):
            show(page, level)
        seen = [viewer.next_picture()]
        while seen[-1] < 247:
            seen.append(viewer.next_picture())
    assert len(seen) < 50


def test_a_single_picture_can_be_fetched_of_any_pipeline(page: Showing) -> None:
    show(page, 77, "back yard")
    with closing(Viewer(page, "back%20yard.jpg")) as viewer:
        assert grey(viewer.answer.read()) == pytest.approx(77, abs=2)


def test_nothing_is_drawn_while_nobody_looks(page: Showing, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    real = showing.draw
    monkeypatch.setattr(showing, "draw", lambda image, result: drawn.append(result) or real(image, result))
    for level in range(50):
        show(page, level)
    assert not drawn
    with closing(Viewer(page, "door.jpg")) as viewer:
        viewer.answer.read()
    assert len(drawn) == 1


@pytest.mark.parametrize("path", ["", "door.jpg", "door.mjpg"])
@pytest.mark.parametrize("prefix", ["/", "/guess/", "//"])
def test_who_was_not_told_the_address_sees_nothing(page: Showing, path: str, prefix: str) -> None:
    show(page, 50)
    with closing(Viewer(page, path, prefix=prefix)) as viewer:
        assert viewer.status == 404


@pytest.mark.parametrize("path", ["window.jpg", "door", "door.png", "../door.jpg", "%00.jpg", "?x=1"])
def test_what_there_is_not_is_not_found(page: Showing, path: str) -> None:
    with closing(Viewer(page, path)) as viewer:
        assert viewer.status == (200 if path == "?x=1" else 404)


def test_only_so_many_may_look_and_one_who_leaves_makes_room(page: Showing) -> None:
    show(page, 50)
    with ExitStack() as looking:
        for _ in range(MAX_VIEWERS):
            looking.enter_context(closing(Viewer(page, "door.mjpg"))).next_picture()
        with closing(Viewer(page, "door.mjpg")) as late:
            assert late.status == 503

    def can_look() -> bool:
        show(page, 60)  # that they have left is found out when the next one is sent
        with closing(Viewer(page, "door.jpg")) as viewer:
            return viewer.status == 200

    until(can_look)


def test_who_hangs_up_or_sends_nonsense_harms_nobody(page: Showing) -> None:
    address = urlsplit(page.url)
    for nonsense in (b"", b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"):
        with socket.create_connection((address.hostname or "", address.port or 0)) as client:
            client.sendall(nonsense)
    show(page, 50)
    with closing(Viewer(page, "door.jpg")) as viewer:
        assert viewer.status == 200


def test_closing_hangs_up_on_who_looks() -> None:
    page = Showing(["door"])
    show(page, 50)
    with closing(Viewer(page, "door.mjpg")) as viewer:
        viewer.next_picture()
        page.close()
        assert viewer.answer.read() in (b"", b"\r\n")
    until(lambda: not [t for t in threading.enumerate() if t.name == "show"])


def test_an_address_in_use_is_unavailable(page: Showing) -> None:
    with pytest.raises(UnavailableError, match=r"cannot show pictures at 127\.0\.0\.1, port"):
        Showing(["door"], port=urlsplit(page.url).port or 0)


def test_it_listens_on_this_machine_alone_unless_asked(page: Showing) -> None:
    assert urlsplit(page.url).hostname == "127.0.0.1"
    if socket.has_ipv6:
        with closing(Showing(["door"], "::1")) as six, closing(Viewer(six, "")) as viewer:
            assert viewer.status == 200
