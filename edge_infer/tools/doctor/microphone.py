"""Microphones: may we open them, and is there what opens them."""

from collections.abc import Iterator
from pathlib import Path

from edge_infer.errors import UnavailableError
from edge_infer.settings import Settings
from edge_infer.sources.audio_settings import MicrophoneSettings
from edge_infer.sources.microphones import Microphone, list_microphones
from edge_infer.tools.doctor.child import ask
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip
from edge_infer.tools.doctor.permission import group_of, who_may_not

SECONDS = 10.0  # PortAudio asks each driver of the machine


def check_microphones(settings: Settings | None, root: Path = Path("/")) -> Iterator[Finding]:
    """Each microphone that the kernel shows, and PortAudio where the configuration needs it."""
    microphones = list_microphones(root)
    for microphone in microphones:
        yield _judged(microphone, root)
    if not microphones:
        yield skip("microphones", "none is plugged in")
    if any(isinstance(p.source, MicrophoneSettings) for p in settings.pipelines.values()) if settings else False:
        yield _portaudio()


def _judged(microphone: Microphone, root: Path) -> Finding:
    what = f"microphone hw:{microphone.card},{microphone.device}"
    device = root / f"dev/snd/pcmC{microphone.card}D{microphone.device}c"
    if who := who_may_not(device, root):
        group = group_of(device, "audio")
        return fail(
            what,
            f"{microphone.name}: {who} may not open it",
            f"let this user be in the group {group}; then log in anew",
            f"sudo usermod -aG {group} $USER",
        )
    return ok(what, f"mic:{microphone.name}")


def _portaudio() -> Finding:
    answer = ask("module", "sounddevice", seconds=SECONDS)
    if "imported" in answer.said and not answer.died:
        return ok("PortAudio", "it can be loaded")
    error = answer.said.get("error") or f"it {answer.died}{answer.last_words}"
    library = "PortAudio" in error
    return fail(
        "PortAudio",
        f"the configuration names a microphone, and sounddevice cannot be imported: {error}",
        "install the library" if library else "install the extra",
        "sudo apt install libportaudio2" if library else "pip install 'edge-infer[audio]'",
        UnavailableError.exit_code,
    )
