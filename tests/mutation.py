"""Payloads that are nearly right."""

from hypothesis import strategies as st

# Pieces that break readers of JSON, beside bytes of any value.
NUMBERS = [b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-"]
NESTED = [b"[" * 2000, b'{"a":' * 2000, b"{}", b"[]", b"}", b"]"]
TEXT = [b'"', b"\\", rb"\ud800", rb"\u0000", b"\0", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
PIECES = [*NUMBERS, *NESTED, *TEXT, b"null", b"true", b",", b":", b"\n"]
piece = st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from(PIECES))
edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 6), piece), max_size=4)


def mutated(payload: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Some bytes replaced, at places that lie within."""
    for at, length, instead in changes:
        at %= len(payload) + 1
        payload = payload[:at] + instead + payload[at + length :]
    return payload
