"""The microphones that this machine has, as the kernel lists them."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Microphone:
    """A device that sound can be captured from.

    Attributes:
        card: N of ALSA's hw:N,D; may change when cards are plugged in anew
        device: D of hw:N,D
        name: of the card: what a configuration should name
    """

    card: int
    device: int
    name: str

    def __str__(self) -> str:
        return f"mic:{self.name} (hw:{self.card},{self.device})"


def list_microphones(root: Path = Path("/")) -> list[Microphone]:
    """All of ALSA's capture devices, in its order; `root` is where proc/ lies."""
    cards = dict(_CARD.findall(_text(root / "proc/asound/cards")))
    found = []
    for line in _text(root / "proc/asound/pcm").splitlines():
        place = _PCM.match(line)
        if place and any(part.strip().startswith("capture") for part in line.split(":")[2:]):
            card, device = int(place[1]), int(place[2])
            found.append(Microphone(card, device, cards.get(str(card)) or place[3].strip() or f"card {card}"))
    return found


# Source: Linux, sound/core/init.c: " 1 [Device         ]: USB-Audio - USB PnP Sound Device"; sound/core/pcm.c:
# "01-00: USB Audio : USB Audio : capture 1"
_CARD = re.compile(r"^ *(\d+) \[[^\]]*\]: \S* - (.+?) *$", re.MULTILINE)
_PCM = re.compile(r"(\d+)-(\d+): ([^:]*)")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
