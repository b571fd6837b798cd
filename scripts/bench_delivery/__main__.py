"""Everything that is measured about delivery, one after another: the device, the way to the database, the disk."""

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from chaos_run.parts import MissingProgramError
from chaos_run.postgres import Postgres


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench-delivery", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = ["--json"] if parser.parse_args().json else []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-infer-bench-", dir=".")))
        sqlite = str(folder / "collected.db")
        try:
            server = Postgres(folder)
            stack.callback(server.remove)
            server.start()
        except MissingProgramError as error:
            print(f"without PostgreSQL: {error}", file=sys.stderr)
            database, ingest = [], ["none", sqlite]
        else:
            database, ingest = ["--postgres", server.url], ["none", sqlite, server.url]
        runs = {
            "a device (results/s of one process)": ["device"],
            "into the database, without MQTT": ["database", *database],
            "from MQTT into the database": ["ingest", "--db", *ingest],
            "bytes and flushes on the disk of a device": ["writes"],
        }
        for what, (module, *arguments) in runs.items():
            print(f"# {what}", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", f"bench_delivery.{module}", *arguments, *options]
            if subprocess.run(command, check=False).returncode:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
