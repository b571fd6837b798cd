"""Who takes part, in which environment, with which models, and what is to be known beside its figures."""

from dataclasses import dataclass, field
from typing import Any

PICTURES = ("classify", "ssd")
STEPS = ("letterbox", "decode")  # alone


@dataclass(frozen=True)
class Environment:
    """Packages of PyPI that somebody else's program needs.

    Attributes:
        newest: minor version of the newest Python 3 that it has wheels for
        megabytes: that it takes, about
    """

    name: str
    packages: tuple[str, ...]
    megabytes: int
    newest: int = 99


MEDIAPIPE = Environment("mediapipe", ("mediapipe==1.2.2", "paho-mqtt>=2.2"), 540)
TASK_LIBRARY = Environment(
    "tflite-support",
    ("tflite-support==0.4.4", "numpy<2", "opencv-python-headless<4.12", "paho-mqtt>=2.2"),
    420,
    newest=11,
)
EDGEFIRST = Environment("edgefirst-hal", ("edgefirst-hal==0.28.3",), 120)
ULTRALYTICS = Environment(
    "ultralytics", ("ultralytics==8.4.190", "torch==2.13.0", "ai-edge-litert>=2.1.6", "paho-mqtt>=2.2"), 1600
)


@dataclass(frozen=True)
class Contender:
    """One column of the comparison.

    Attributes:
        module: of `workers/`
        kinds: of models that it can be asked about
        base: what its rate is divided by: the runtime on as many threads
        environment: None: that of edge_infer, whose packages it uses, but not edge_infer
    """

    name: str
    module: str
    note: str
    options: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = (*PICTURES, "yolo", "raw")
    base: str = "bare"
    environment: Environment | None = None


CONTENDERS = (
    Contender("bare", "bare", "`invoke` alone: no frames, nothing published", {"threads": 1}),
    Contender("bare-2", "bare", "two interpreters on two threads", {"threads": 2}, base="bare-2"),
    Contender(
        "ours", "ours", "a Pipeline, one worker; each result kept on the disk until acknowledged", {"workers": 1}
    ),
    Contender("ours-2", "ours", "the same with two workers", {"workers": 2}, base="bare-2"),
    Contender("loop-waits", "loop", "by hand: OpenCV, LiteRT, paho, waits for each PUBACK", {"wait": True}),
    Contender("loop", "loop", "the same without waiting; paho's queue is in RAM"),
    Contender("loop-2", "loop", "that on two threads, an interpreter each", {"threads": 2}, base="bare-2"),
    Contender("loop-nt2", "loop", "one interpreter with `num_threads=2`", {"num_threads": 2}, base="bare-2"),
    Contender(
        "mediapipe",
        "mediapipe_tasks",
        "Tasks in IMAGE mode, its own choice of threads; paho without waiting",
        kinds=PICTURES,
        environment=MEDIAPIPE,
    ),
    Contender(
        "tflite-support",
        "task_library",
        "Task Library, its own choice of threads; paho without waiting",
        kinds=PICTURES,
        environment=TASK_LIBRARY,
    ),
    Contender(
        "pycoral",
        "coral_flow",
        "its documented flow on LiteRT; letterboxes for detection; paho without waiting",
        kinds=PICTURES,
    ),
    Contender(
        "frigate",
        "frigate_hop",
        "its hop re-created: three processes, shared memory, a queue of names, a signal; paho without waiting",
        kinds=("ssd",),
    ),
    Contender(
        "ultralytics",
        "ultralytics_predict",
        "`predict` of its own export; its own suppression where torchvision does not load; paho without waiting",
        kinds=("yolo",),
        environment=ULTRALYTICS,
    ),
    Contender("by-hand", "steps_by_hand", "OpenCV and numpy", kinds=STEPS, base="by-hand"),
    Contender("ours", "steps_ours", "the same functions as in a pipeline", kinds=STEPS, base="by-hand"),
    Contender(
        "edgefirst-hal",
        "steps_hal",
        "from numpy to numpy; takes no BGR, is given RGB; on several threads where it likes",
        kinds=STEPS,
        base="by-hand",
        environment=EDGEFIRST,
    ),
)
NAMES = tuple(dict.fromkeys(contender.name for contender in CONTENDERS))
