"""Who does what next: whatever workers do, each item gets one row, in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.tools.batch import lanes
from edge_infer.tools.batch.crew import Lost
from edge_infer.tools.batch.items import Item
from edge_infer.tools.batch.lanes import Lane, Pace, Schedule
from edge_infer.tools.batch.shard import Answer


def video_lane(name: str, start: int = 0) -> Lane:
    return Lane((Item(name, number) for number in range(start, 10**9)), video=name, start=start)


def answer_of(item: Item, lengths: dict[str, int]) -> Answer:
    if item.frame is not None and item.frame >= lengths[item.input]:
        return Answer(None, last=True)
    return Answer(f"{item.input} {item.frame}".encode(), frames=lengths.get(item.input))


def drain(schedule: Schedule) -> list[tuple[str | None, str]]:
    return [(lane.video, answer.row.decode()) for lane, answer in schedule.ready() if answer.row is not None]


@given(
    pictures=st.integers(0, 40),
    lengths=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 40)),
    deadly=st.sets(st.integers(0, 39), max_size=4),
    data=st.data(),
)
@settings(max_examples=60)
def test_each_item_has_one_row_in_the_order_of_its_lane_whoever_dies(
    pictures: int, lengths: dict[str, int], deadly: set[int], data: st.DataObject
) -> None:
    stills = [Lane([Item(f"p{number}") for number in range(pictures)], size=pictures)] if pictures else []
    schedule = Schedule([*stills, *map(video_lane, lengths)])
    hands: dict[int, list[Item]] = {number: [] for number in range(3)}
    hired = 3
    written: list[tuple[str | None, str]] = []
    for _ in range(5000):
        if schedule.done:
            break
        worker = data.draw(st.sampled_from(sorted(hands)))
        if not hands[worker]:
            hands[worker] = schedule.next_for(worker, data.draw(st.integers(1, 9)))
        elif hands[worker][0].input in {f"p{number}" for number in deadly}:
            held, *others = hands.pop(worker)
            schedule.lose(Lost((held,), tuple(others), "killed"))
            hands[hired] = []
            hired += 1
        else:
            item = hands[worker].pop(0)
            schedule.answer(item, answer_of(item, lengths))
        written += drain(schedule)
    assert schedule.done
    made = [row for video, row in written if video is None]
    assert len(made) == pictures
    for number, row in enumerate(made):
        expected = "two workers died of it" if number in deadly else f"p{number} None"
        assert expected in row
    for name, length in lengths.items():
        assert [row for video, row in written if video == name] == [f"{name} {frame}" for frame in range(length)]


def test_an_engine_that_cannot_tell_what_was_held_tries_each_alone() -> None:
    schedule = Schedule([Lane([Item(f"p{number}") for number in range(3)], size=3)])
    items = schedule.next_for(0, 9)
    schedule.lose(Lost(tuple(items), (), "gone"))
    assert [schedule.next_for(1, 9) for _ in items] == [[item] for item in items]
    schedule.lose(Lost((items[1],), (), "gone"))
    for item in (items[0], items[2]):
        schedule.answer(item, answer_of(item, {}))
    rows = [row for _, row in drain(schedule)]
    assert (rows[0], rows[2]) == ("p0 None", "p2 None")
    assert "two workers died of it: the last one was gone" in rows[1]
    assert schedule.done


def test_each_worker_has_its_own_video_and_helps_where_none_is_left() -> None:
    schedule = Schedule([video_lane("a"), video_lane("b")])
    first, second, third = (schedule.next_for(worker, 2) for worker in range(3))
    assert first == [Item("a", 0), Item("a", 1)]
    assert second == [Item("b", 0), Item("b", 1)]
    assert third == [Item("a", 2), Item("a", 3)]
    assert schedule.next_for(1, 2) == [Item("b", 2), Item("b", 3)]


def test_behind_one_that_takes_long_only_so_much_is_begun() -> None:
    schedule = Schedule([Lane([Item(str(number)) for number in range(5000)], size=5000)])
    schedule.next_for(0, 1)
    while items := schedule.next_for(1, 64):
        for item in items:
            schedule.answer(item, answer_of(item, {}))
        assert drain(schedule) == []
        asked = int(items[-1].input)
    assert asked < lanes.WAITING_ITEMS + 64
    schedule.answer(Item("0"), answer_of(Item("0"), {}))
    assert len(drain(schedule)) == asked + 1
    assert schedule.next_for(1, 1) == [Item(str(asked + 1))]


def test_large_rows_wait_in_bounded_memory() -> None:
    lane = Lane([Item(str(number)) for number in range(100)], size=100)
    for item in lane.take(10)[1:]:
        lane.answer(item, Answer(bytes(2 * 2**20)))
    assert not lane.open
    lane.answer(Item("0"), Answer(b""))
    assert len(list(lane.ready())) == 10
    assert lane.open


def test_how_many_there_are_is_known_better_and_better() -> None:
    schedule = Schedule([Lane([Item("p")], size=1), video_lane("a"), video_lane("b", start=90)])
    assert schedule.expected() == 3
    schedule.next_for(0, 1)
    schedule.answer(schedule.next_for(1, 1)[0], Answer(b"", frames=100))
    assert schedule.expected() == 201
    schedule.answer(schedule.next_for(2, 1)[0], Answer(b"", frames=100))
    assert schedule.expected() == 111


def test_a_worker_is_given_what_it_does_in_a_quarter_of_a_second() -> None:
    clock = Clock()
    pace = Pace(clock)
    sizes = []
    for _ in range(9):
        sizes.append(pace.of(0))
        pace.begins(0, sizes[-1])
        clock.now += sizes[-1] / 128
    assert sizes == [1, 2, 4, 8, 16, 32, 32, 32, 32]
    clock.now += 1000.0
    assert pace.of(0) == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now
