"""What must be on the disk at once is, whatever the disk is doing when it comes."""

import threading

import pytest

from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.outbox import Outbox
from edge_infer.wire.topics import Kind


@pytest.mark.parametrize(("kind", "durability"), [(Kind.EVENT, "relaxed"), (Kind.RESULT, "strict")])
def test_a_transaction_that_only_cleans_up_leaves_the_next_one_urgent(kind: Kind, durability: str) -> None:
    """Else an event that comes between the decision to clean up and the cleaning lies in RAM for a second."""
    outbox = Outbox(1, "b", OutboxSettings(durability=durability), durable=True)  # type: ignore[arg-type]
    outbox.put(kind, "door", b"{}")
    outbox.begin_commit(grow=False, always=True)
    assert outbox.urgent
    outbox.wait_for_work(1e9, threading.Event(), readable=True)  # returns
    commit = outbox.begin_commit()
    assert commit is not None
    assert [record.seq for write in commit.writes for record in write.records] == [1]
    assert not outbox.urgent
