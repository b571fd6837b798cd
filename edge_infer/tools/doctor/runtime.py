"""The TFLite runtime: does it load, and does it use its fast kernels."""

import sys
from collections.abc import Iterator

from edge_infer.errors import EdgeInferError, UnavailableError
from edge_infer.tools.doctor.child import Answer, ask
from edge_infer.tools.doctor.finding import Finding, fail, ok, warn

SECONDS = 30.0  # importing OpenCV from a cold SD card takes half of it
LITERT = "ai_edge_litert"
XNNPACK = "Created TensorFlow Lite XNNPACK delegate"  # Source: what LiteRT says when it takes its fast kernels
CPUINFO = "Error in cpuinfo"  # Source: what the library cpuinfo says, and why XNNPACK then stays away
SLOWER = "three to four times slower"  # measured: coco_ssd, 28 against 116 ms


def check_runtime() -> Iterator[Finding]:
    """Import NumPy, OpenCV and the runtime in a process of their own, and run the model that ships there."""
    yield judged(ask("runtime", seconds=SECONDS))


def judged(answer: Answer) -> Finding:
    """What the answer of the probe means."""
    said = answer.said
    importing = said.get("importing")
    if "error" in said:
        return _refused(importing, said["error"], said["exit_code"])
    what = importing or f"running a model with {said.get('library')} {said.get('version')}"
    if answer.died:
        return fail(
            "runtime",
            f"{what}: it {answer.died}{answer.last_words}",
            "install the wheels anew; where that does not help, this processor or system is not the one they were "
            "made for",
            f"{sys.executable} -m pip install --force-reinstall numpy opencv-python-headless ai-edge-litert",
        )
    described = f"{said['library']} {said['version']} runs a model in {said['ms']:.1f} ms"
    if said["library"] != LITERT:  # it has no XNNPACK for quantised models
        return ok("runtime", described)
    if XNNPACK in answer.stderr:
        return ok("runtime", f"{described}, with XNNPACK")
    return _slow(described, blind=CPUINFO in answer.stderr)


def _refused(importing: str | None, error: str, exit_code: int) -> Finding:
    what = f"{importing} cannot be imported: {error}" if importing else error
    if "libGL" in error or "libgthread" in error:
        fix, package = "take the OpenCV that needs no display", "opencv-python-headless"
        gone = f"{sys.executable} -m pip uninstall -y opencv-python opencv-contrib-python && "
        return fail("runtime", what, fix, f"{gone}{sys.executable} -m pip install --force-reinstall {package}")
    if exit_code == UnavailableError.exit_code:  # the message says what to install
        return fail("runtime", what, "install one of the two runtimes", exit_code=exit_code)
    command = f"{sys.executable} -m pip install --force-reinstall edge-infer"
    ours = UnavailableError.exit_code if importing else EdgeInferError.exit_code
    return fail("runtime", what, "install edge-infer and what it needs anew", command, ours)


def _slow(described: str, *, blind: bool) -> Finding:
    if blind:
        return warn(
            "runtime",
            f"{described}, without XNNPACK, so {SLOWER} than it could: it cannot read /proc/cpuinfo or "
            "/sys/devices/system/cpu",
            "show them to it: no ProcSubset=pid in the systemd unit, /sys mounted in the container",
        )
    return warn(
        "runtime",
        f"{described}, without XNNPACK, so {SLOWER} than it could",
        "install the newest ai-edge-litert",
        f"{sys.executable} -m pip install --upgrade ai-edge-litert",
    )
