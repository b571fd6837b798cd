"""`edge-infer collector`."""

import argparse
import socket
import time
from functools import partial
from pathlib import Path

from edge_infer.cli.options import add_json, add_logging, positive
from edge_infer.cli.watch import add_broker

DAY_S = 86_400.0
MISSING = 1  # exit code of `audit`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three things that a collector does."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run = actions.add_parser("run", help="store what devices publish, and acknowledge it, until a signal comes")
    add_broker(run)
    _add_database(run)
    run.add_argument(
        "--group",
        default="collectors",
        metavar="NAME",
        help="collectors of one group share the work (default: %(default)s)",
    )
    run.add_argument(
        "--id",
        metavar="ID",
        help="MQTT client id: its own for each collector, and always the same (default: from the host's name)",
    )
    run.add_argument(
        "--retention-days", type=positive, metavar="N", help="delete rows received more than N days ago (default: keep)"
    )
    add_logging(run)
    audit = actions.add_parser(
        "audit",
        help="what became of each number of each start of a device",
        epilog="exit code 1 if a number is missing, or there twice; what a device still holds is not missing",
    )
    _add_database(audit)
    audit.add_argument("--device", metavar="ID", help="only this one (default: all)")
    add_json(audit)
    expire = actions.add_parser("expire", help="delete old rows, keeping the record that they were there")
    _add_database(expire)
    expire.add_argument("--days", type=positive, required=True, metavar="N", help="received more than N days ago")


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--db",
        default="edge-infer.db",
        metavar="URL",
        help="a SQLite file, or postgresql://user@host[:port]/database (default: %(default)s)",
    )
    parser.add_argument(
        "--db-password-file",
        type=Path,
        metavar="FILE",
        help="its first line is the password for PostgreSQL (default: as psql finds it, ~/.pgpass)",
    )


def run(args: argparse.Namespace) -> int:
    """Collect; or answer about what was collected."""
    return {"run": _run, "audit": _audit, "expire": _expire}[args.action](args)


def _run(args: argparse.Namespace) -> int:
    from edge_infer import logs
    from edge_infer.collector.database import open_database
    from edge_infer.collector.service import Collector
    from edge_infer.config import from_options
    from edge_infer.flow.signals import led_by_signals
    from edge_infer.mqtt.broker import Broker
    from edge_infer.wire.topics import check_name, level_of

    logs.configure(args.log_level, args.log_format)
    options = {name: getattr(args, name) for name in ("username", "password_file", "ca_file", "root")}
    collector = Collector(
        from_options(Broker, options | {"url": args.mqtt, "protocol": "5"}, "the broker"),
        partial(open_database, args.db, password_file=args.db_password_file),
        group=check_name("group", args.group),
        client_id=check_name("id", args.id or level_of(f"collector-{socket.gethostname()}")),
        retention_s=args.retention_days and args.retention_days * DAY_S,
    )
    with led_by_signals(collector.stop):
        collector.run()
    return 0


def _audit(args: argparse.Namespace) -> int:
    import msgspec

    from edge_infer.cli.audited import render
    from edge_infer.collector.audit import audit, dead_letters
    from edge_infer.collector.database import open_database

    database = open_database(args.db, password_file=args.db_password_file, create=False)
    epochs = audit(database, args.device)
    with database.snapshot() as transaction:
        letters = dead_letters(transaction, args.device)
    database.close()
    bad = any(epoch.missing or epoch.double for epoch in epochs)
    if args.json:
        of = {device or "": count for device, count in letters.items()}
        print(msgspec.json.encode({"proved": not bad, "epochs": epochs, "dead_letters": of}).decode())
    else:
        print("\n".join(render(epochs, letters)))
    return MISSING if bad else 0


def _expire(args: argparse.Namespace) -> int:
    from edge_infer.collector.database import open_database

    database = open_database(args.db, password_file=args.db_password_file, create=False)
    deleted = database.expire(time.time() - args.days * DAY_S)
    database.close()
    print(f"{deleted} rows deleted")
    return 0
