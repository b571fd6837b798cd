"""libedgetpu: which runtime it fits, and what it means when it crashes, hangs or refuses."""

import re
from pathlib import Path

from edge_infer.tools.doctor.child import Answer
from edge_infer.tools.doctor.finding import Finding, fail, ok

# Source: google-coral/edgetpu issue 812: what Coral published last, 16.0, crashes with TensorFlow from 2.12 on.
LAST_FOR_CORALS = (2, 11)
# Source: the names of the packages that others build: 16.0TF2.17.1-1 was built with TensorFlow 2.17.1.
BUILT_WITH = re.compile(r"TF(\d+)\.(\d+)")
FITTING = (
    "libedgetpu 16.0 of Coral fits TensorFlow up to 2.11, a rebuilt 16.0TF2.x fits tflite-runtime 2.x of the same "
    "number; LiteRT fits neither for certain (docs/doctor.md has the table)"
)
UNPLUG = "unplug it and plug it in again; if that comes back, use a powered hub, another cable, and cool it"
STD = "sudo apt install libedgetpu1-std"


def packaged(root: Path = Path("/")) -> str:
    """Version of the Debian package that brings the library; empty where there is none."""
    try:
        stanzas = (root / "var/lib/dpkg/status").read_text(errors="replace").split("\n\n")
    except OSError:
        return ""
    for stanza in stanzas:
        if re.search(r"^Package: libedgetpu1-(std|max)$", stanza, re.MULTILINE):
            version = re.search(r"^Version: (\S+)$", stanza, re.MULTILINE)
            return version[1] if version else ""
    return ""


def fits(package: str, runtime: str) -> bool | None:
    """Whether a package and a runtime such as "tflite_runtime 2.14.0" were made for each other; None: not known."""
    name, _, version = runtime.partition(" ")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not package or name != "tflite_runtime" or len(numbers) < 2:
        return None
    built = BUILT_WITH.search(package)
    return numbers == (int(built[1]), int(built[2])) if built else numbers <= LAST_FOR_CORALS


def judged(device: str, answer: Answer, package: str) -> Finding:
    """What the answer of the probe means."""
    said = answer.said
    runtime = said.get("runtime", "the runtime")
    library = f"libedgetpu {package}".rstrip()
    if answer.died:
        return _dead(f"{library} with {runtime}, {device}: it {answer.died}{answer.last_words}", answer, package)
    if error := said.get("error"):
        return _refused(error, library)
    return ok("libedgetpu", f"{library} with {runtime} opens {device} in {said['opened_s']:.1f} s")


def _dead(what: str, answer: Answer, package: str) -> Finding:
    runtime = answer.said.get("runtime", "")
    if "did not answer" in str(answer.died):
        return fail("libedgetpu", what, UNPLUG)
    if "SIGABRT" in str(answer.died) and fits(package, runtime) is not False:  # what it does on an error of the bus
        return fail("libedgetpu", what, UNPLUG)
    return fail("libedgetpu", what, f"take a library that was built for this runtime: {FITTING}")


def _refused(error: str, library: str) -> Finding:
    if "libusb" in error:
        return fail("libedgetpu", f"{library} needs libusb: {error}", "install it", "sudo apt install libusb-1.0-0")
    if "cannot open shared object" in error:
        return fail(
            "libedgetpu",
            f"the library is missing, or is not for this processor: {error}",
            "install it from Coral's packages (https://coral.ai/software), or say where it is with model.delegate",
            STD,
        )
    if "undefined symbol" in error:
        return fail("libedgetpu", f"this is no Edge TPU library: {error}", "correct model.delegate, or install it", STD)
    return fail(
        "libedgetpu", error, f"see that no other program has it; then {UNPLUG}", "sudo lsof /dev/bus/usb /dev/apex_*"
    )
