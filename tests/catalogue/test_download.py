"""Whatever a server does: the right file, or a sentence and nothing that could be taken for it."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_server import ModelServer
from other_user import not_as_root, open_folder

from edge_infer.catalogue import download, web
from edge_infer.catalogue.download import fetch
from edge_infer.catalogue.table import Download
from edge_infer.errors import EdgeInferError, ModelError, UnavailableError, UsageError

CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "model.tflite"
KNOWN = Download(urls=("-",), size=len(CONTENT), sha256=SHA256)
UNKNOWN = Download(urls=("-",))


@pytest.fixture(autouse=True)
def _content(server: ModelServer) -> None:
    server.files[NAME] = CONTENT


def bring(server: ModelServer, folder: Path, wanted: Download = KNOWN) -> str:
    seen: list[int] = []
    digest = fetch(wanted, (f"{server.url}/{NAME}",), folder / NAME, lambda done, _total: seen.append(done))
    assert (folder / NAME).read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert seen == [] or seen[-1] == len(CONTENT)
    return digest


@pytest.mark.parametrize("wanted", [KNOWN, UNKNOWN], ids=["verified", "not verified"])
@pytest.mark.parametrize(
    "script",
    [
        [],
        ["truncate"],
        ["truncate", "truncate"],
        ["reset"],
        ["hang up", "hang up"],
        ["babble"],
        ["500", "503", "429"],
        ["truncate", "ignore the range"],
        ["truncate", "give another range"],
        ["pack"],
        ["pack half"],
        ["pack badly"],
        ["truncate", "pack"],
    ],
    ids=" then ".join,
)
def test_the_file_comes_although_the_server_will(
    script: list[str], wanted: Download, server: ModelServer, tmp_path: Path
) -> None:
    server.script = script[:]
    assert bring(server, tmp_path, wanted) == SHA256
    assert len(server.asked) >= len(script)


def test_what_came_before_a_failure_is_not_fetched_again(server: ModelServer, tmp_path: Path) -> None:
    server.script = ["truncate"]
    bring(server, tmp_path)
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]
    assert server.asked[1][1]["if-range"] == '"1"'


def test_what_came_in_an_earlier_process_is_not_fetched_again(server: ModelServer, tmp_path: Path) -> None:
    server.script = ["truncate"] + ["hang up"] * 4
    with pytest.raises(UnavailableError, match="pull again later; what came is kept"):
        bring(server, tmp_path)
    server.asked.clear()
    bring(server, tmp_path)
    assert server.ranges == [f"bytes={len(CONTENT) // 2}-"]


def test_a_file_that_was_complete_before_is_not_asked_for(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)
    bring(server, tmp_path)
    assert server.asked == []


@pytest.mark.parametrize("wanted", [KNOWN, UNKNOWN], ids=["verified", "not verified"])
def test_a_file_that_changes_in_between_is_fetched_from_the_start(
    wanted: Download, server: ModelServer, tmp_path: Path
) -> None:
    server.files[NAME], server.etag = bytes(len(CONTENT)), '"0"'
    server.script = ["truncate"] + ["hang up"] * 4
    with pytest.raises(UnavailableError):
        bring(server, tmp_path, wanted)
    server.files[NAME], server.etag = CONTENT, '"1"'
    assert bring(server, tmp_path, wanted) == SHA256


def test_pieces_of_two_states_are_noticed_and_fetched_anew(server: ModelServer, tmp_path: Path) -> None:
    server.etag = None
    server.script = ["truncate", "continue another file"]
    assert bring(server, tmp_path) == SHA256
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-", None]


def test_without_a_sign_of_the_state_nothing_is_continued_that_cannot_be_verified(
    server: ModelServer, tmp_path: Path
) -> None:
    server.etag = None
    server.script = ["truncate"]
    bring(server, tmp_path, UNKNOWN)
    assert server.ranges == [None, None]


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT + b"more")
    bring(server, tmp_path)


def test_a_damaged_note_about_a_part_costs_only_time(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:100])
    (tmp_path / f"{NAME}.part.json").write_text("{")
    bring(server, tmp_path, UNKNOWN)


@pytest.mark.parametrize("act", ["give less", "give something else", "never end"])
def test_another_file_is_removed_and_both_are_told(act: str, server: ModelServer, tmp_path: Path) -> None:
    server.script = [act]
    with pytest.raises(ModelError, match="another file") as caught:
        bring(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    if act == "give something else":
        assert SHA256 in str(caught.value)
        assert hashlib.sha256(bytes(len(CONTENT))).hexdigest() in str(caught.value)


def test_a_body_without_end_is_cut_off_where_no_size_is_known(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 1_000_000)
    server.script = ["never end"]
    with pytest.raises(ModelError, match="more than 1000000 bytes"):
        bring(server, tmp_path, UNKNOWN)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_is_followed(server: ModelServer, tmp_path: Path) -> None:
    server.script = [f"redirect:{server.url}/elsewhere/{NAME}"]
    bring(server, tmp_path)


@pytest.mark.parametrize(
    "target", ["http://example.com/x", "file:///etc/passwd", "ftp://example.com/x", "data:,x", "https:///x"]
)
def test_a_redirect_to_what_is_not_safe_is_not_followed(target: str, server: ModelServer, tmp_path: Path) -> None:
    server.script = [f"redirect:{target}"]
    with pytest.raises(UnavailableError, match=r"redirects|not safe"):
        bring(server, tmp_path)
    assert len(server.asked) == 1


def test_redirects_in_a_circle_end(server: ModelServer, tmp_path: Path) -> None:
    server.script = ["redirect in a circle"]
    with pytest.raises(UnavailableError, match="without end"):
        bring(server, tmp_path)


def test_a_file_that_is_not_there_is_told_at_once(server: ModelServer, tmp_path: Path) -> None:
    server.script = ["404"]
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1 answers 404"):
        bring(server, tmp_path)
    assert len(server.asked) == 1


def test_a_server_that_keeps_failing_is_given_up(server: ModelServer, tmp_path: Path) -> None:
    server.script = ["503"] * 20
    with pytest.raises(UnavailableError, match="answers 503 Service Unavailable, 5 times"):
        bring(server, tmp_path)
    assert len(server.asked) == 5


def test_a_server_that_stalls_is_left(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "TIMEOUT_S", 0.05)
    server.script = ["stall"]
    bring(server, tmp_path)
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_server_that_trickles_is_left(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SLOW_S", 0.0)
    monkeypatch.setattr(download, "SLOW_BYTES", 10**9)
    with pytest.raises(UnavailableError, match="bytes in 0 s, 5 times"):
        bring(server, tmp_path)


def test_the_next_address_is_asked_where_one_fails(server: ModelServer, tmp_path: Path) -> None:
    fetch(KNOWN, (f"{server.url}/gone", f"{server.url}/{NAME}"), tmp_path / NAME, lambda _done, _total: None)
    with pytest.raises(UnavailableError, match=r"gone; .*lost"):
        fetch(KNOWN, (f"{server.url}/gone", f"{server.url}/lost"), tmp_path / "other", lambda _done, _total: None)


def test_whoever_is_offline_is_told_the_host_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"host nowhere\.invalid cannot be found: connect .* --from"):
        fetch(KNOWN, ("https://nowhere.invalid/x",), tmp_path / NAME, lambda _done, _total: None)


def test_a_port_where_nobody_answers_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"connection to 127\.0\.0\.1 fails: Connection refused, 5 times"):
        fetch(KNOWN, ("http://127.0.0.1:1/x",), tmp_path / NAME, lambda _done, _total: None)


def test_a_proxy_of_the_environment_is_used(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    fetch(KNOWN, (f"http://127.0.0.9:1/{NAME}",), tmp_path / NAME, lambda _done, _total: None)
    assert server.asked[0][0] == f"http://127.0.0.9:1/{NAME}"


def test_a_folder_that_is_closed_is_told(server: ModelServer) -> None:
    with open_folder() as folder:
        folder.chmod(0o555)
        with not_as_root(), pytest.raises(UnavailableError, match="cannot write"):
            bring(server, folder)


def test_a_full_disk_is_told(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
    with pytest.raises(UnavailableError, match=r"cannot write .*: No space left on device"):
        bring(server, tmp_path)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "ftp://example.com/x", "file:///x", "x", "https://", "https://[/"]
)
def test_only_https_and_this_machine_are_asked(url: str) -> None:
    with pytest.raises(UsageError, match="give an https:// address"):
        web.check_address(url)


@pytest.mark.parametrize(
    "url", ["https://example.com/x", "http://localhost:1/x", "http://127.3.2.1/x", "http://[::1]/x"]
)
def test_https_and_this_machine_may_be_asked(url: str) -> None:
    web.check_address(url)


ACTS = [
    "truncate",
    "reset",
    "hang up",
    "500",
    "ignore the range",
    "give another range",
    "pack",
    "pack half",
    "give less",
]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scripts=st.lists(st.lists(st.sampled_from(ACTS), max_size=6), min_size=1, max_size=3), known=st.booleans())
def test_whatever_a_server_does_the_file_is_right_or_not_there(
    scripts: list[list[str]], known: bool, server: ModelServer, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    (tmp_path / "run").mkdir()
    for script in scripts:
        server.script = script[:]
        try:
            digest = fetch(
                KNOWN if known else Download(urls=("-",), size=len(CONTENT)),
                (f"{server.url}/{NAME}",),
                tmp_path / "run" / NAME,
                lambda _done, _total: None,
            )
        except EdgeInferError:
            assert not (tmp_path / "run" / NAME).exists()
        else:
            assert digest == SHA256
            assert (tmp_path / "run" / NAME).read_bytes() == CONTENT
            return
