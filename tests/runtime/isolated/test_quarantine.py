import pytest

from edge_infer.runtime.isolated.quarantine import IMPATIENT_S, MAX_REST_S, PAUSES_S, REST_S, WORKED_S, Quarantine


def pauses(quarantine: Quarantine, count: int, *, works_s: float = 0.0, patient: bool = True) -> list[float]:
    """The pauses after failures that follow each other as soon as it was tried again and worked for `works_s`."""
    now, found = 1000.0, []
    for _ in range(count):
        found.append(quarantine.failed(now, patient=patient))
        now += found[-1] + works_s
    return found


def test_the_first_failures_are_answered_at_once_those_in_a_row_by_rests_that_double() -> None:
    found = pauses(Quarantine(), 10)
    assert found[:3] == list(PAUSES_S)
    assert found[3:] == [min(MAX_REST_S, REST_S * 2**n) for n in range(7)]
    assert found[-1] == MAX_REST_S


def test_what_works_in_between_is_never_put_to_rest() -> None:
    assert pauses(Quarantine(), 500, works_s=WORKED_S + 0.1) == [PAUSES_S[0]] * 500


def test_what_has_worked_again_begins_anew() -> None:
    quarantine = Quarantine()
    assert pauses(quarantine, 6)[-1] == REST_S * 4
    assert quarantine.failed(1e6, patient=True) == PAUSES_S[0]
    assert pauses(quarantine, 1)[0] == PAUSES_S[1]


@pytest.mark.parametrize("count", [4, 8])
def test_where_nothing_else_does_the_work_rests_are_short(count: int) -> None:
    assert pauses(Quarantine(), count, patient=False)[-1] == IMPATIENT_S
