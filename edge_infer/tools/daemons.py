"""The daemons that run on this machine, asked on their sockets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_infer.errors import StalledError, UnavailableError
from edge_infer.health.live import DaemonStatus
from edge_infer.health.status_socket import PATTERN, ask

ANSWER_S = 3.0  # a daemon answers in milliseconds, on a busy machine in tenths
RUNTIME = ("run/edge-infer*", "run/edge-infer*/*")  # where systemd makes the RuntimeDirectory of a unit


@dataclass(frozen=True, slots=True)
class Answer:
    """What a daemon said, as it said it and as we understand it."""

    document: bytes
    status: DaemonStatus


def daemons(
    folder: Path, *, device: str | None = None, state_dir: Path | None = None, root: Path = Path("/")
) -> tuple[list[Answer], list[StalledError]]:
    """The answers of those that have a socket in `folder` or where systemd puts it, and of whom there is none.

    With `device` or `state_dir` only the answers of daemons with these.

    Raises:
        UnavailableError: no such daemon runs, or none may be asked.
    """
    answers: list[Answer] = []
    stalled: list[StalledError] = []
    refusals: list[UnavailableError] = []
    for path in _sockets(folder, root):
        try:
            if document := ask(path, ANSWER_S):
                answers.append(Answer(document, msgspec.json.decode(document, type=DaemonStatus)))
        except StalledError as error:
            stalled.append(error)
        except UnavailableError as error:
            refusals.append(error)
        except msgspec.DecodeError as error:
            refusals.append(UnavailableError(f"behind {path} is another version's daemon: {error}"))
    answers = [
        answer
        for answer in answers
        if device in (None, answer.status.device)
        and (state_dir is None or Path(answer.status.state_dir).resolve() == state_dir.resolve())
    ]
    if not answers and not stalled:
        whose = f" of device '{device}'" if device else ""
        raise (
            refusals[0]
            if refusals
            else UnavailableError(
                f"no daemon{whose} is running: no socket answers in {folder} or {root}run/edge-infer*; "
                "`edge-infer run` or `systemctl start edge-infer` starts one"
            )
        )
    return answers, stalled


def _sockets(folder: Path, root: Path) -> Iterator[Path]:
    folders = {folder.resolve(), *(place.resolve() for pattern in RUNTIME for place in root.glob(pattern))}
    for place in sorted(folders):
        yield from sorted(place.glob(PATTERN))
