import os
import resource

import numpy as np
import psutil
import pytest

from edge_infer.runtime.isolated.memory import SLOTS, SPARE_BYTES, SharedMemory, make_shared_file, output_room
from edge_infer.types import TensorSpec

INPUTS = [TensorSpec("a", (2, 3), np.dtype(np.uint8)), TensorSpec("b", (5,), np.dtype(np.float32))]
OUTPUTS = [np.zeros((1, 7), np.float32), np.zeros((3,), np.int64)]
SHAPES = [output.shape for output in OUTPUTS]
DTYPES = [output.dtype for output in OUTPUTS]


def both_sides() -> tuple[SharedMemory, SharedMemory]:
    file = make_shared_file(INPUTS, output_room(OUTPUTS))
    return SharedMemory(os.dup(file), INPUTS), SharedMemory(file, INPUTS)


def test_what_one_side_writes_the_other_reads() -> None:
    here, there = both_sides()
    for seq in range(2 * SLOTS):
        for place, value in zip(here.inputs(seq), (seq + 1, seq + 0.5), strict=True):
            place[:] = value
        assert [view.ravel()[-1] for view in there.inputs(seq)] == [seq + 1, seq + 0.5]
        for number, place in enumerate(there.outputs(seq, SHAPES, DTYPES)):
            place[:] = 10 * seq + number
        assert [view.ravel()[-1] for view in here.outputs(seq, SHAPES, DTYPES)] == [10 * seq, 10 * seq + 1]
    here.close()
    there.close()


def test_neighbouring_questions_do_not_touch_each_other() -> None:
    here, there = both_sides()
    for seq in range(SLOTS):
        for place in (*here.inputs(seq), *here.outputs(seq, SHAPES, DTYPES)):
            place[:] = seq + 1
    for seq in range(SLOTS):
        for view in (*there.inputs(seq), *there.outputs(seq, SHAPES, DTYPES)):
            assert (view == seq + 1).all()


def test_outputs_may_grow_a_little_and_be_empty_but_never_leave_their_place() -> None:
    here, _ = both_sides()
    (grown,) = here.outputs(0, [(SPARE_BYTES // 8,)], [np.dtype(np.float64)])
    assert grown.nbytes == SPARE_BYTES
    (empty,) = here.outputs(0, [(0, 4)], [np.dtype(np.float32)])
    assert empty.shape == (0, 4)
    with pytest.raises(ValueError, match="need more than"):
        here.outputs(0, [(SPARE_BYTES,)], [np.dtype(np.float64)])


def test_a_lack_of_memory_shows_when_it_is_set_aside() -> None:
    files = psutil.Process().num_fds()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            make_shared_file(INPUTS, 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert psutil.Process().num_fds() == files
