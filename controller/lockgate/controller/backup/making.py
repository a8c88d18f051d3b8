"""``lockgate controller backup``: the store of a running controller in one file.

Rules enforced here:

1. That a backup is made is in the ledger before the copy, and the copy holds a signed
   checkpoint over all of its ledger but what was appended meanwhile.
2. A copy whose ledger does not verify is no backup: nothing is written.
3. Private keys are in it only when they were asked for.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from lockgate.controller import clock, entries, setup
from lockgate.controller.backup import archive, copies
from lockgate.controller.backup.archive import BackupError, Manifest
from lockgate.controller.config import ControllerSettings
from lockgate.controller.identity import authority
from lockgate.controller.ledger import Ledger, stored
from lockgate.controller.ledger import verify as verifier
from lockgate.controller.ledger.schema import ledger_checkpoints
from lockgate.controller.store.database import open_reader, store_faults

STORE, IDENTITY = "store", "identity"


def make(settings: ControllerSettings, out: Path, *, with_identity: bool) -> Manifest:
    """Write a backup to the new file ``out``; what it says of itself.

    Raises:
        BackupError, StoreError, IdentityError, OSError: it was not made.
    """
    if out.exists():
        raise FileExistsError(f"{out}: exists already")
    made_at = clock.now()
    _sign(settings, with_identity=with_identity)
    folder = out.absolute().parent
    with tempfile.TemporaryDirectory(prefix=".lockgate-backup-", dir=folder) as scratch:
        copy = Path(scratch) / "copy"
        kind = copies.kind_of(settings.store)
        if kind == copies.SQLITE:
            copies.copy(settings.store, copy)
            size, note = _verified(open_reader(copy), settings)
        else:  # a dump cannot be read; what it holds was there before
            size, note = _verified(open_reader(settings.store), settings)
            copies.copy(settings.store, copy)
        public = (settings.identity_dir / authority.LEDGER_PUBLIC).read_text("ascii")
        time = clock.rfc3339(made_at)
        manifest = Manifest(archive.VERSION, kind, time, size, note, public)
        kept = sorted(settings.identity_dir.iterdir()) if with_identity else []
        files = {f"{IDENTITY}/{path.name}": path for path in kept if path.is_file()}
        archive.write(out, manifest, {STORE: copy, **files})
    return manifest


def _sign(settings: ControllerSettings, *, with_identity: bool) -> None:
    """Record the backup, and sign the ledger that it will hold."""
    ours = authority.load(settings.identity_dir)
    key = authority.load_signing_key(settings.identity_dir / authority.LEDGER_KEY)

    def work(connection: Connection) -> None:
        ledger = Ledger()
        fields = {"identity": with_identity}
        ledger.append(connection, entries.identity("backup", clock.now(), fields))
        ledger.checkpoint(connection, key, f"{ours.trust_domain}/ledger")

    setup.write(settings, work)


def _verified(reader: Engine, settings: ControllerSettings) -> tuple[int, str]:
    """Size and newest checkpoint of a ledger that verifies."""
    key = verifier.load_key(settings.identity_dir / authority.LEDGER_PUBLIC)
    newest = select(ledger_checkpoints).order_by(ledger_checkpoints.c.size.desc()).limit(1)
    with store_faults(), closing(reader.connect()) as connection:
        row = connection.execute(newest).one()
        outcome = stored.verify_store(connection, key)
    reader.dispose()
    if outcome.problems:
        raise BackupError(f"the ledger does not verify: {outcome.problems[0]}")
    return int(row.size), str(row.note)
