"""Edge TPUs: on which bus, may we, does the driver run, does the library fit, does it answer."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_infer.runtime.delegate import EDGETPU_LIBRARY, Accelerator, find_accelerators
from edge_infer.settings import Settings
from edge_infer.tools.doctor.child import ask
from edge_infer.tools.doctor.edgetpu_library import judged, packaged
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip, warn
from edge_infer.tools.doctor.machine import LARGE_PAGES, read_machine
from edge_infer.tools.doctor.permission import who_may_not
from edge_infer.tools.doctor.pipelines import uses_edgetpu
from edge_infer.tools.doctor.reading import number, text, users_of

SECONDS = 15.0  # loading the firmware takes up to 5 (runtime/delegate.py), and an SD card is slow
RATES = {480: "USB 2", 5000: "USB 3", 10000: "USB 3"}  # Source: kernel, ABI/testing/sysfs-bus-usb, speed: Mbit/s
SLOW = (12, 480)  # as above
PCI_ID = ("0x1ac1", "0x089a")  # Source: Coral's driver apex: Global Unichip, Coral Edge TPU
INSTALL_RULES = "sudo edge-infer install"  # brings the udev rules, too


def check_edgetpus(settings: Settings | None, root: Path = Path("/"), *, running: bool = False) -> Iterator[Finding]:
    """Each Edge TPU that the system shows, and whether it answers; `running`: a daemon does, and may have them."""
    models = [pipeline.model for pipeline in settings.pipelines.values()] if settings else []
    wanted = any(map(uses_edgetpu, models))
    library = next((model.delegate for model in models if model.delegate), None)
    found = find_accelerators(root)
    yield from _without_driver(root, driven=any(one.kind == "pci" for one in found))
    if not found:
        yield _absent(wanted=wanted)
        return
    usable = []
    for number_of, accelerator in enumerate(found):
        bus = _bus(f"edge tpu {number_of}", accelerator, root)
        yield bus
        usable += [] if bus.level == "fail" else [accelerator]
    if running:
        yield skip("libedgetpu", "the daemon that runs has the Edge TPU; `edge-infer status` says how it does")
        return
    for accelerator in usable:
        yield probe(found, accelerator, library, root)


def probe(
    all_of_them: Sequence[Accelerator], one: Accelerator, library: str | None = None, root: Path = Path("/")
) -> Finding:
    """What comes of opening one of the Edge TPUs in a process of its own."""
    same = [other for other in all_of_them if other.kind == one.kind]
    device = f"edgetpu:{one.kind}:{same.index(one)}"
    return judged(device, ask("edgetpu", device, library or EDGETPU_LIBRARY, seconds=SECONDS), packaged(root))


def bus_of(accelerator: Accelerator) -> str:
    """Where it is, in words, such as "USB 3, port 2-1"."""
    if accelerator.kind != "usb":
        return "PCIe"
    speed = number(Path(accelerator.path) / "speed") or 0
    return f"{RATES.get(speed, f'USB at {speed} Mbit/s' if speed else 'USB')}, port {Path(accelerator.path).name}"


def _bus(what: str, accelerator: Accelerator, root: Path) -> Finding:
    """May we open it, does something else have it, and is its bus fast enough."""
    node, bus, machine = _node(accelerator, root), bus_of(accelerator), read_machine(root)
    group = "plugdev" if accelerator.kind == "usb" else "apex"
    if who := who_may_not(node, root):
        return fail(
            what,
            f"{bus}: {who} may not open {_shown(node, root)}",
            f"let the udev rules give it to the group {group}, put this user into it, plug it in anew and log in anew",
            f"{INSTALL_RULES}; sudo usermod -aG {group} $USER",
        )
    if accelerator.kind == "usb" and number(Path(accelerator.path) / "speed") in SLOW:
        return warn(
            what,
            f"{bus}: an inference takes about three times as long as on USB 3",
            "plug it into a blue port, with the cable it came with, and not through a USB 2 hub",
            "lsusb -t",
        )
    if accelerator.kind == "pci" and machine.page_bytes >= LARGE_PAGES:
        return warn(
            what,
            f"{bus}, and the kernel has {machine.page_bytes // 1024} kB pages, which Coral's driver was not made for",
            "start the kernel with 4 kB pages: add `kernel=kernel8.img` to /boot/firmware/config.txt, and reboot",
        )
    waits = "" if accelerator.ready else ", its firmware is loaded when it is first used"
    users = users_of(node, root)
    return ok(what, f"{bus}{waits}{f', open in {users[0]}' if users else ''}")


def _without_driver(root: Path, *, driven: bool) -> Iterator[Finding]:
    """One on PCIe that no driver has taken."""
    for vendor in sorted(root.glob("sys/bus/pci/devices/*/vendor")):
        if not driven and (text(vendor), text(vendor.parent / "device")) == PCI_ID:
            yield fail(
                "edge tpu",
                f"on PCIe at {vendor.parent.name}, but its driver does not run: there is no /dev/apex_0",
                "install Coral's driver and reboot; on a Pi 5 also add `dtparam=pciex1` and `kernel=kernel8.img` to "
                "/boot/firmware/config.txt",
                "sudo apt install gasket-dkms && sudo modprobe apex",
            )


def _absent(*, wanted: bool) -> Finding:
    if not wanted:
        return skip("edge tpu", "none is plugged in, and no model needs one")
    return warn(
        "edge tpu",
        "a model is made for one, and the system shows none",
        "plug it in; on USB it must appear as 1a6e:089a or 18d1:9302, else try another cable, port or supply",
        "lsusb",
    )


def _node(accelerator: Accelerator, root: Path) -> Path:
    if accelerator.kind != "usb":
        return Path(accelerator.path)
    folder = Path(accelerator.path)
    return root / f"dev/bus/usb/{number(folder / 'busnum') or 0:03d}/{number(folder / 'devnum') or 0:03d}"


def _shown(node: Path, root: Path) -> str:
    return f"/{node.relative_to(root)}"
