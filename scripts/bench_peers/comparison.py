"""All contenders with one model, in turns."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench_peers import figures
from bench_peers.contenders import CONTENDERS, STEPS, Contender
from bench_peers.environments import CannotBeMadeError
from bench_peers.running import FailedError, Turn, Worker
from bench_peers.subjects import Subject
from bench_peers.workers.turns import Given


@dataclass(frozen=True)
class Terms:
    """What is the same for all: how many turns of so many seconds, who takes part, frames, the broker."""

    rounds: int
    seconds: float
    patience_s: float  # with other programs, before each turn
    only: Sequence[str]
    fps: float
    url: str
    broker: int  # its process
    scratch: Path

    def given(self, subject: Subject, contender: Contender) -> Given:
        """What a contender is told."""
        model = subject.given if contender.module == "ours" else subject.file
        frames = str(self.scratch / "frames.npy")
        return Given(model, subject.kind, subject.labels, frames, self.url, self.fps, contender.options)


@dataclass(frozen=True)
class Comparison:
    """What was measured with one model; `absent`: why somebody is not in it."""

    subject: Subject
    turns: Mapping[str, Sequence[Turn]]
    memory_mb: Mapping[str, float]
    answers: Mapping[str, figures.Answers]
    versions: Mapping[str, Mapping[str, str]]
    absent: Mapping[str, str]

    def rows(self) -> list[figures.Row]:
        """Of the table."""
        bases = {contender.name: contender.base for contender in fitting(self.subject)}
        return figures.rows(self.turns, bases, self.memory_mb)

    def same(self) -> dict[str, dict[str, Any]]:
        """Whether all say what the one that they are compared with says."""
        reference = self.answers.get(self.reference(), {})
        return {name: figures.same(reference, said) for name, said in self.answers.items()}

    def reference(self) -> str:
        """Whose answers the others' are compared with: the loop's, or else those of the first."""
        return "loop" if "loop" in self.answers else next(iter(self.answers), "")

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "model": self.subject.name,
            "kind": self.subject.kind,
            "rows": [asdict(row) for row in self.rows()],
            "turns": {name: [asdict(turn) for turn in turns] for name, turns in self.turns.items()},
            "answers": self.same(),
            "versions": dict(self.versions),
            "absent": dict(self.absent),
        }

    def shown(self) -> str:
        """In Markdown."""
        base = "by-hand" if self.subject.kind in STEPS else "bare"
        lines = [f"\n## {self.subject.name} ({self.subject.kind})\n", figures.table(self.rows(), base), ""]
        loud = sum(not turn.quiet for turns in self.turns.values() for turn in turns)
        if loud:
            lines.append(f"{loud} turns began while other programs were at work.\n")
        notes = {contender.name: contender.note for contender in fitting(self.subject)}
        for name, versions in self.versions.items():
            lines.append(
                f"- {name}: {notes[name]}; {', '.join(f'{what} {number}' for what, number in versions.items())}"
            )
        lines += [f"- {name}: {why}" for name, why in self.absent.items()]
        reference = self.reference()
        for name, said in self.same().items():
            lines.append(
                f"- answers of {name}: {figures.agreement(said)}{'' if name == reference else f' as {reference}'}"
            )
        return "\n".join(lines)


def fitting(subject: Subject) -> list[Contender]:
    """Who can be asked about it."""
    return [contender for contender in CONTENDERS if subject.kind in contender.kinds]


def compare(subject: Subject, terms: Terms) -> Comparison:
    """Start all, let them take turns, end them."""
    wanted = [contender for contender in fitting(subject) if contender.name in terms.only]
    absent = dict[str, str]()
    workers: dict[str, Worker] = {}
    with ExitStack() as stack:
        for contender in tqdm(wanted, desc=f"{subject.name}: starting", delay=2, disable=None):
            try:
                worker = Worker.start(contender, terms.given(subject, contender), terms.scratch)
            except (CannotBeMadeError, FailedError) as error:
                absent[contender.name] = f"could not be run: {error}"
                continue
            workers[contender.name] = worker
            stack.callback(worker.end)
        for number, name in order(list(workers), terms.rounds, subject.name):
            if name in absent:
                continue
            try:
                workers[name].take_turn(number, terms.seconds, terms.patience_s, terms.broker)
            except FailedError as error:
                absent[name] = f"failed in round {number + 1}: {error}"
        done = {name: worker for name, worker in workers.items() if name not in absent}
        for worker in done.values():
            worker.weigh()
    return Comparison(
        subject,
        turns={name: worker.turns for name, worker in done.items()},
        memory_mb={name: worker.memory_mb for name, worker in done.items()},
        answers={name: worker.answers for name, worker in done.items() if worker.answers},
        versions={name: worker.versions for name, worker in done.items()},
        absent=absent,
    )


def order(names: Sequence[str], rounds: int, title: str) -> Iterator[tuple[int, str]]:
    """Each once in a round, every time in another order."""
    with tqdm(total=rounds * len(names), desc=title, delay=2, disable=None) as bar:
        for number in range(rounds):
            for name in random.Random(number).sample(names, len(names)):
                bar.set_postfix_str(name)
                yield number, name
                bar.update()
