"""A batch as it travels."""

import msgspec

from edge_infer.deliver.records import Batch
from edge_infer.wire.deflate import deflate
from edge_infer.wire.payloads import Envelope

DEFLATE_BYTES = 1000  # smaller messages gain nothing


def envelope(device: str, batch: Batch, *, deflated: bool) -> bytes:
    """Its JSON, compressed where that is wanted and gains something."""
    payload = msgspec.json.encode(
        Envelope(
            device=device,
            epoch=batch.epoch,
            boot=batch.boot,
            first_seq=batch.first,
            clock=batch.records[0].clock,
            results=[msgspec.Raw(record.payload) for record in batch.records],
        )
    )
    return deflate(payload) if deflated and len(payload) > DEFLATE_BYTES else payload
