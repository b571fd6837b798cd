from typing import Annotated

import pytest
from example_settings import Settings, in_pipeline, in_settings, problems_of
from msgspec import Meta, Struct

from edge_infer import config


def test_an_int_where_a_float_is_expected_becomes_a_float() -> None:
    value = config.parse(in_pipeline("min_score: 1"), Settings).pipelines["door"].min_score
    assert isinstance(value, float)


ONE_PROBLEM = [
    # unknown, missing and duplicate keys
    (in_pipeline("min_scor: 1"), 6, 5, "pipelines.door: unknown key 'min_scor', did you mean 'min_score'?"),
    (
        in_settings("mqtt: {url: x, zzz: 1}"),
        3,
        16,
        "mqtt: unknown key 'zzz', known here: url, password, password_file",
    ),
    (in_settings("mqtt:\n  password: x\n"), 4, 3, "mqtt: url is missing: expected text"),
    (in_settings("labels: {a: 1, b: 2, a: 3}"), 3, 22, "labels: the key 'a' is here twice (first in line 3)"),
    (in_settings("device: x"), 3, 1, "the key 'device' is here twice (first in line 2)"),
    # kinds
    (
        in_settings("pipelines: {a: {source: {uri: x}}}"),
        3,
        25,
        "pipelines.a.source: kind is missing: one of camera, folder",
    ),
    (
        in_settings("pipelines: {a: {source: {kind: camra, uri: x}}}"),
        3,
        32,
        "pipelines.a.source.kind: expected one of camera, folder, found the text 'camra', did you mean 'camera'?",
    ),
    (
        in_settings("pipelines: {a: {source: {kind: [x]}}}"),
        3,
        32,
        "pipelines.a.source.kind: expected one of camera, folder, found a list of 1",
    ),
    (
        in_settings("pipelines: {a: {source: video}}"),
        3,
        25,
        "pipelines.a.source: expected kind: camera or kind: folder, found the text 'video'",
    ),
    # types and ranges
    (in_settings("labels: {a: 1.0}"), 3, 13, "labels.a: expected a whole number, found 1.0"),
    (in_settings("labels: {a: '1'}"), 3, 13, "labels.a: expected a whole number, found the text '1'"),
    (in_settings("labels: {a.b: x}"), 3, 15, "labels.'a.b': expected a whole number, found the text 'x'"),
    (in_settings("labels: [1, 2]"), 3, 9, "labels: expected a mapping, found a list of 2"),
    (in_settings("labels:\n"), 3, 8, "labels: expected a mapping, found nothing, write a value or remove the key"),
    (in_pipeline("min_score: 1.5"), 6, 16, "pipelines.door.min_score: expected a number >= 0 and <= 1, found 1.5"),
    (in_pipeline("min_score: .nan"), 6, 16, "pipelines.door.min_score: expected a number >= 0 and <= 1, found .nan"),
    (in_pipeline("min_score: 010"), 6, 16, "pipelines.door.min_score: expected a number >= 0 and <= 1, found 010"),
    (
        in_pipeline("min_score: [1]"),
        6,
        16,
        "pipelines.door.min_score: expected a number >= 0 and <= 1, found a list of 1",
    ),
    (in_pipeline("threads: 0"), 6, 14, "pipelines.door.threads: expected a whole number >= 1 or all, found 0"),
    (in_pipeline("live: maybe"), 6, 11, "pipelines.door.live: expected true or false, found the text 'maybe'"),
    (in_pipeline("live: 1"), 6, 11, "pipelines.door.live: expected true or false, found 1"),
    (in_pipeline("regions: {a: 1}"), 6, 14, "pipelines.door.regions: expected a list, found a mapping"),
    (
        in_pipeline("regions: [{name: a}, {name: {}}]"),
        6,
        33,
        "pipelines.door.regions[1].name: expected text, found a mapping",
    ),
    (
        in_settings("pipelines: {a: {source: {kind: camera, uri: x, size: [1, 2, 3]}}}"),
        3,
        54,
        "pipelines.a.source.size: expected a list of 2, found a list of 3",
    ),
    (
        in_pipeline("device: cup"),
        6,
        13,
        "pipelines.door.device: expected one of auto, cpu, on, found the text 'cup', did you mean 'cpu'?",
    ),
    (in_settings("data: ''"), 3, 7, "data: expected a path, found the text ''"),
    (in_settings("labels: {a: !!bool x}"), 3, 13, "labels.a: expected a whole number, found x"),
    (in_pipeline("live: !!bool x"), 6, 11, "pipelines.door.live: expected true or false, found x"),
    # the struct's own check
    (
        in_settings("mqtt: {url: x, password: a, password_file: b}"),
        3,
        7,
        "mqtt: password and password_file exclude each other: remove one",
    ),
    # what YAML can and we do not want
    (in_settings("<<: {data: x}"), 3, 1, "merge keys (<<) are not supported: write the keys out"),
    (in_settings("? [a]\n: 1"), 3, 3, "expected a key, found a list of 1"),
    (in_settings("data: !path x"), 3, 7, "data: tags (!name) are not supported: remove it"),
    (in_settings("labels: !!omap {a: 1}"), 3, 9, "labels: tags (!name) are not supported: remove it"),
    (in_settings("labels: {a: &n 1, b: *n}"), 3, 22, "aliases (*name) are not supported: write the value out again"),
    (in_settings("labels: &n {a: *n}"), 3, 16, "aliases (*name) are not supported: write the value out again"),
    (in_settings("---\na: 1"), 3, 1, "a second document starts here: a file holds one"),
    ("[1]", 1, 1, "expected a mapping, found a list of 1"),
    ("", 1, 1, "nothing is set here: expected a mapping with one of version, device, mqtt, pipelines, labels, data"),
    ("# x", 1, 1, "nothing is set here: expected a mapping with one of version, device, mqtt, pipelines, labels, data"),
    (
        "---\n",
        1,
        1,
        "nothing is set here: expected a mapping with one of version, device, mqtt, pipelines, labels, data",
    ),
    ("a: é\n\tb: 1", 2, 1, "not valid YAML: a tab cannot indent, use spaces"),
    ("a: \x07", 1, 4, "character U+0007 is not allowed in YAML: remove it, or write it as an escape in quotes"),
    ("a:\n é: \udcff", 2, 5, "byte 0xFF is not UTF-8: save the file as UTF-8"),
    ("{a: " + "[" * 100_000, 1, 54, "nested more than 50 deep"),
]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "line", "column", "message"), ONE_PROBLEM, ids=lambda value: str(value)[:40])
def test_a_mistake_has_its_place_and_says_what_was_expected(text: str, line: int, column: int, message: str) -> None:
    assert problems_of(text) == [(line, column, message)]


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "No", "TRUE", "12", "1.0", "0x1F", "12:30:00", "0777", "null", "~"]
)
def test_what_yaml_does_not_read_as_text_has_to_be_quoted_where_text_is_expected(word: str) -> None:
    [(line, column, message)] = problems_of(f"version: 1\ndevice: {word}\n")
    assert (line, column) == (2, 9)
    assert message.endswith("to mean the text, put it in quotes")
    assert config.parse(f"version: 1\ndevice: '{word}'\n", Settings).device == word


@pytest.mark.parametrize("word", ["on", "12"])
def test_a_name_of_an_entry_has_to_be_text_too(word: str) -> None:
    [(line, column, message)] = problems_of(in_settings(f"labels: {{{word}: 1}}"))
    assert (line, column) == (3, 10)
    assert message.startswith(f"labels: expected text, found {word}")


def test_a_name_of_an_entry_keeps_its_limits() -> None:
    [(_, _, message)] = problems_of(in_settings("pipelines: {'': {source: {kind: folder, path: x}}}"))
    assert message == "pipelines: expected text at least 1 long and at most 20 long, found the text ''"


def test_a_date_is_text() -> None:
    assert config.parse("version: 1\ndevice: 2026-01-01\n", Settings).device == "2026-01-01"


@pytest.mark.parametrize("word", ["12:30:00", "0777", "1_000", "0b11"])
def test_a_number_that_only_yaml_1_1_reads_as_one_is_refused(word: str) -> None:
    [(_, _, message)] = problems_of(in_settings(f"labels: {{a: {word}}}"))
    assert message == (
        f"labels.a: expected a whole number, found {word}, "
        "write it in decimal digits, with no leading zero, underscore or colon"
    )


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("text", ["a: [1, 2\nb: 3", "a: 'x\n", "a: b: c", "a: @x", "a: 1\n b: 2", "}", 'a: "\\x"'])
def test_a_syntax_error_is_one_problem_in_or_after_the_line_of_the_mistake(text: str) -> None:
    [(line, column, message)] = problems_of(text)
    assert message.startswith("not valid YAML: ")
    assert line in (1, 2)
    assert column >= 1


def test_an_open_bracket_is_named_with_the_line_it_is_in() -> None:
    [(_, _, message)] = problems_of("version: 1\nlabels: [1,\n\n\nx: 2\n")
    assert "(from line 2)" in message


def test_all_problems_are_told_in_the_order_of_their_places() -> None:
    text = "pipelines:\n  a: {source: {}, x: 1}\nlabels: {a: b, c: d}\nversion: 1\n"
    assert [(line, column) for line, column, _ in problems_of(text)] == [(1, 1), (2, 15), (2, 19), (3, 13), (3, 19)]


@pytest.mark.parametrize(
    "text",
    [
        "password: 4711",
        "password: [4711]",
        "password: hunter4711, password_file: on",
        "url: 1, password: {a: 4711}",
        "password: !x 4711",
        "password: *p4711",
    ],
)
def test_a_message_never_shows_a_secret(text: str) -> None:
    assert "4711" not in str(problems_of(in_settings(f"mqtt: {{{text}}}")))


def test_a_message_never_shows_the_password_in_an_address() -> None:
    [(_, _, message)] = problems_of(in_pipeline("device: rtsp://me:4711@porch/x"))
    assert "found the text 'rtsp://me:***@porch/x'" in message


def test_a_long_value_is_cut() -> None:
    [(_, _, message)] = problems_of(in_pipeline(f"device: {'x' * 5000}"))
    assert len(message) < 200


def test_lists_and_maps_keep_their_limits() -> None:
    class Limited(Struct):
        names: Annotated[list[str], Meta(min_length=1)]
        ports: Annotated[dict[str, int], Meta(max_length=1)]

    assert [message for _, _, message in problems_of("names: []\nports: {a: 1, b: 2}", Limited)] == [
        "names: expected a list at least 1 long, found a list of 0",
        "ports: expected a mapping at most 1 long, found a mapping",
    ]


def test_a_number_that_is_too_large_for_a_float_is_refused() -> None:
    class Numbers(Struct):
        a: float

    assert problems_of("a: 1e999", Numbers) == [(1, 4, "a: expected a number, found the text '1e999'")]


def test_a_long_file_is_not_a_deep_one() -> None:
    regions = "\n".join(f"      - {{name: r{i}, box: [1, 2]}}" for i in range(100))
    text = in_pipeline(f"regions:\n{regions}")
    assert len(config.parse(text, Settings).pipelines["door"].regions) == 100


def test_a_field_that_yaml_cannot_say_is_a_fault_of_the_struct() -> None:
    class Odd(Struct):
        data: bytes

    with pytest.raises(TypeError, match="cannot be read from YAML"):
        config.parse("data: x", Odd)
