"""From a table of readings to a subscriber: the real command, a model that answers what it was shown."""

import json
from pathlib import Path

import pytest
from broker import Mosquitto, Subscriber
from command import run
from tflite_writer import RESHAPE, Graph, Op, Tensor, model_bytes
from waiting import until

# Ten readings of two channels become one row of twenty numbers.
ECHO = Graph(
    [
        Tensor("readings", (1, 10, 2)),
        Tensor("shape", (2,), "int32", (1, 20)),
        Tensor("seen", (1, 20)),
    ],
    ["readings"],
    ["seen"],
    [Op(RESHAPE, ["readings", "shape"], ["seen"])],
)


@pytest.fixture
def config(tmp_path: Path, mosquitto: Mosquitto) -> Path:
    """25 readings at about 10 Hz of a motor; one of them says no temperature, one is left out."""
    (tmp_path / "echo.tflite").write_bytes(model_bytes(ECHO))
    rows = [f"{1000 * k / 10 + k % 3:.0f};{k},5;{'' if k == 7 else 20 + k};on" for k in range(25) if k != 12]
    (tmp_path / "motor.csv").write_text("\n".join(["time [ms];accel [m/s^2];temp (degC);state", *rows]) + "\n")
    settings = {
        "version": 1,
        "device": {"id": "porch", "state_dir": "state"},
        "mqtt": {"url": mosquitto.url},
        "pipelines": {
            "motor": {
                "source": {"kind": "table", "uri": "motor.csv"},
                "model": {"path": "echo.tflite", "device": "cpu"},
                "prepare": {"input": "series", "rate_hz": 10, "overlap": 0.5, "channels": ["temp", "accel"]},
                "decode": {"kind": "tensors"},
            }
        },
    }
    path = tmp_path / "edge-infer.yaml"
    path.write_text(json.dumps(settings))
    return path


def test_readings_of_a_table_arrive_as_answers_that_say_which_they_are_about(
    config: Path, subscriber: Subscriber
) -> None:
    checked = run("check", "--config", config, cwd=config.parent)
    assert "motor gives samples of 2 channels (accel, temp)" in checked.stdout.replace("motor.csv", "motor"), checked
    done = run("run", "--config", config, cwd=config.parent)
    assert done.returncode == 0, done.stderr
    until(lambda: len(subscriber.seqs()) >= 4, what="four windows")
    results = [result for envelope in subscriber.envelopes() for result in envelope["results"] if "frame" in result]
    assert [result["frame"] for result in results] == [0, 1, 2, 3]
    assert [result["status"] for result in results] == ["ok"] * 4
    spans = [result["span"] for result in results]
    assert [(span["start"], span["samples"], span["rate_hz"]) for span in spans] == [
        (start, 10, 10.0) for start in (0, 5, 10, 15)
    ]
    assert [span["start_s"] for span in spans] == [0.0, 0.5, 1.0, 1.5]
    assert spans[0]["channels"] == ["accel", "temp"]
    assert spans[0]["units"] == ["m/s^2", "degC"]
    [seen] = results[0]["tensors"]["seen"]
    temperatures, accelerations = seen[::2], seen[1::2]
    assert temperatures == pytest.approx([20 + k for k in range(10)], abs=0.05)
    assert accelerations == pytest.approx([k + 0.5 for k in range(10)], abs=0.05)
