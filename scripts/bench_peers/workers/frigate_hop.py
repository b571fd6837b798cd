"""The way of a frame in Frigate, written from its documented design: three processes for one camera and one detector.

The capture process writes the frame into shared memory and puts its name into a queue; the camera's process, which
is also the one that publishes here, makes the detector's input of it in another block and puts the camera's name into
the detector's queue; the detector writes 20 rows of (class, score, box) into a block of results and gives a signal.
The signal is a pipe here, and a ZeroMQ message there. Frigate publishes with QoS 0 or 1 as the topic has it: here 1.
"""

import multiprocessing
import time
from functools import partial
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from bench_peers.workers.by_hand import PACKAGES, ByHand, described
from bench_peers.workers.publishing import Publishing
from bench_peers.workers.turns import MIN_SCORE, RING, Camera, Given, Turns

ROWS = 20  # of results, 6 float32 each
SLOTS = 4  # of frames: two wait, one is written, one is looked at
WAITING = 2  # names in the queue of frames
END = -1  # instead of a frame


def main() -> None:
    given = Given.from_arguments()
    context = multiprocessing.get_context("spawn")
    frame, tensor = np.load(given.frames)[0], np.zeros(ByHand(given).place["shape"], np.uint8)
    slots = [SharedMemory(create=True, size=frame.nbytes) for _ in range(SLOTS)]
    asked, said = (SharedMemory(create=True, size=size) for size in (tensor.nbytes, ROWS * 6 * 4))
    go, frames, requests = context.Event(), context.Queue(WAITING), context.Queue()
    signal, detected = context.Pipe(duplex=False)
    free = context.Semaphore(SLOTS - 1)
    turns = Turns(given, go)
    processes = [
        context.Process(target=capture, args=(given, go, [slot.name for slot in slots], free, frames), daemon=True),
        context.Process(target=detect, args=(given, requests, asked.name, said.name, detected), daemon=True),
    ]
    try:
        for process in processes:
            process.start()
            turns.children.append(process.pid or 0)
        signal.recv_bytes()  # the detector has its model
        blocks = [np.ndarray(frame.shape, np.uint8, slot.buf) for slot in slots]
        exchange = np.ndarray(tensor.shape, np.uint8, asked.buf), np.ndarray((ROWS, 6), np.float32, said.buf)
        looking = partial(look, turns, blocks, free, frames, requests, exchange, signal)
        turns.work([looking], PACKAGES, at_end=lambda: frames.put((END, 0)))
    finally:
        for process in processes:
            process.kill()
            process.join()
        for block in (*slots, asked, said):
            block.unlink()


def capture(given: Given, go: Any, names: list[str], free: Any, frames: Any) -> None:
    """The capture process; it waits where Frigate would leave frames out."""
    camera = Camera(given.frames, given.fps, go)
    slots = [SharedMemory(name) for name in names]
    blocks = [np.ndarray(camera.frames.shape[1:], np.uint8, slot.buf) for slot in slots]
    while True:
        number = camera.tick()
        free.acquire()
        blocks[number % SLOTS][:] = camera.frames[number % RING]
        frames.put((number, time.monotonic_ns()))


def look(
    turns: Turns, blocks: list[Any], free: Any, frames: Any, requests: Any, exchange: tuple[Any, Any], signal: Any
) -> None:
    """The camera's process."""
    hand, publishing = ByHand(turns.given), Publishing(turns)
    tensor, rows = exchange
    height, width = blocks[0].shape[:2]
    while True:
        number, taken_ns = frames.get()
        if number == END:
            return
        turns.took(number, taken_ns)
        tensor[:] = hand.prepare(blocks[number % SLOTS])
        free.release()
        requests.put("camera")
        signal.recv_bytes()
        found = rows[rows[:, 1] >= MIN_SCORE]
        objects = described(found[:, 2:], found[:, 0], found[:, 1], turns.given.labels, (width, height))
        publishing.send(number, turns.say(number, objects))


def detect(given: Given, requests: Any, asked: str, said: str, detected: Any) -> None:
    """The detector's process."""
    hand = ByHand(given)
    blocks = SharedMemory(asked), SharedMemory(said)
    tensor = np.ndarray(hand.place["shape"], np.uint8, blocks[0].buf)
    rows = np.ndarray((ROWS, 6), np.float32, blocks[1].buf)
    outputs = hand.interpreter.get_output_details()
    detected.send_bytes(b"ready")
    while True:
        requests.get()
        hand.run(tensor)
        boxes, classes, scores, count = (hand.interpreter.get_tensor(output["index"])[0] for output in outputs)
        best = min(int(count), ROWS)
        rows[:] = 0.0
        rows[:best, 0], rows[:best, 1], rows[:best, 2:] = classes[:best], scores[:best], boxes[:best]
        detected.send_bytes(b"done")


if __name__ == "__main__":
    main()
