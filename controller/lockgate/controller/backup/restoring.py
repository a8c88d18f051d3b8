"""``lockgate controller restore``: put a backup in the place of a store.

Rules enforced here:

1. No controller serves from the state folder meanwhile, and the keys are those of the backup.
2. The ledger of the backup verifies, also against its own checkpoint and every known one that it
   covers.
3. A restore that would rewind the ledger is refused, unless its loss is accepted with a reason:
   then the reason, and what is known of the lost part, is an entry of the restored ledger and
   an alert before anything else, and the published tiles are put aside.
4. Where the installation has two administrators and wants a second person, both give their
   passwords.
5. Nothing is deleted: the store that stood there is kept beside the new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Connection, Engine, text

from lockgate.controller import clock, entries
from lockgate.controller.alerts import ocsf, outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.backup import archive, copies, rewind
from lockgate.controller.backup.archive import BackupError, Manifest
from lockgate.controller.backup.making import IDENTITY, STORE
from lockgate.controller.backup.rewind import Known
from lockgate.controller.config import ControllerSettings
from lockgate.controller.identity import authority
from lockgate.controller.ledger import Ledger, publishing, stored
from lockgate.controller.ledger.ledger import size_of
from lockgate.controller.people import passwords, people
from lockgate.controller.people.roles import Role
from lockgate.controller.store.database import (
    Place,
    StoreError,
    exists,
    name_of,
    open_reader,
    open_writer,
    store_faults,
)
from lockgate.controller.store.migrate import migrate
from lockgate.controller.store.serving import only_one
from lockgate.controller.store.tables import metadata

_STAGED = "controller.db.restoring"
_TITLE = "a backup was restored"
_REWOUND_TITLE = "the ledger was rewound by a restore"


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator wants. ``kept``: checkpoints from elsewhere; ``approvers``: who vouches.

    ``accept_rewind`` is the reason for which entries may be lost; empty: none may.
    """

    file: Path
    kept: tuple[str, ...] = ()
    accept_rewind: str = ""
    approvers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to; ``lost`` is what was signed for and is no longer there."""

    manifest: Manifest
    size: int
    lost: Known | None


def restore(settings: ControllerSettings, order: Order) -> Restored:
    """Replace the store.

    Raises:
        BackupError, StoreError, OSError: it was not replaced; the old one stands.
    """
    manifest = archive.read_manifest(order.file)
    if manifest.kind != copies.kind_of(settings.store):
        raise BackupError(f"the backup is of a {manifest.kind} store; see the setting `database`")
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _key(settings, order.file, manifest)
    with only_one(settings.state_dir):
        notes, held = _standing(settings)
        said = [manifest.checkpoint, *order.kept, *_shown(settings), *notes]
        known = rewind.open_notes(said, key)
        known += [Known(held, note) for note in notes]
        with _staged(settings, order.file) as place:
            size, gone = _judge(place, key, known, order)
            by = _approved(place, settings, order)
            _record(place, manifest, gone, order.accept_rewind, by)
            _put_aside(settings, gone)
            _put_in_place(settings, place, order.file)
    return Restored(manifest, size, gone)


def _key(settings: ControllerSettings, file: Path, manifest: Manifest) -> Ed25519PublicKey:
    """The key of the ledger, once the keys of the controller are known to belong to it."""
    public = settings.identity_dir / authority.LEDGER_PUBLIC
    if not settings.identity_dir.exists() and not archive.names(file, IDENTITY):
        raise BackupError(f"{settings.identity_dir}: put the controller's keys there first")
    if settings.identity_dir.exists() and public.read_text("ascii") != manifest.ledger_public:
        raise BackupError("the backup is of another controller: its ledger has another key")
    with contextlib.suppress(ValueError):
        key = load_pem_public_key(manifest.ledger_public.encode())
        if isinstance(key, Ed25519PublicKey):
            return key
    raise BackupError(f"{file}: its ledger has no Ed25519 key")


def _shown(settings: ControllerSettings) -> list[str]:
    """The published checkpoint."""
    path = settings.ledger_folder / publishing.CHECKPOINT
    return [path.read_text("utf-8", "replace")] if path.exists() else []


def _standing(settings: ControllerSettings) -> tuple[list[str], int]:
    """The newest checkpoint of the store that stands, and how many entries it holds.

    Those after the checkpoint were acknowledged too. A damaged store has nothing to say.
    """
    with contextlib.suppress(StoreError, LookupError, TypeError):
        if exists(settings.store):
            reader = open_reader(settings.store)
            with store_faults(), reader.connect() as connection:
                return [stored.newest_note(connection)], size_of(connection)
    return [], 0


@contextmanager
def _staged(settings: ControllerSettings, file: Path) -> Iterator[Place]:
    """The backup's store, where it is not yet used; taken away again when it is not taken over."""
    staged = settings.state_dir / _STAGED
    _remove(staged)
    if not archive.take_out(file, STORE, staged):
        raise BackupError(f"{file}: holds no store")
    place = settings.store
    try:
        if isinstance(place, Path):
            yield staged
        else:
            if exists(place):
                raise BackupError(f"{name_of(place)}: holds a store; restore into a new database")
            copies.load(staged, place)
            try:
                yield place
            except BaseException:
                _empty(open_writer(place))
                raise
    finally:
        _remove(staged)


def _remove(staged: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        staged.with_name(staged.name + suffix).unlink(missing_ok=True)


def _empty(engine: Engine) -> None:
    """Take back a store that was loaded and is not wanted."""
    with store_faults(), engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    engine.dispose()


def _judge(
    place: Place, key: Ed25519PublicKey, known: Sequence[Known], order: Order
) -> tuple[int, Known | None]:
    """The size of the backup's ledger, and what is known to be lost with it."""
    reader = open_reader(place)
    try:
        with store_faults(), reader.connect() as connection:
            size = size_of(connection)
            covered = [each.note for each in known if each.size <= size]
            outcome = stored.verify_store(connection, key, covered)
    except (ValueError, TypeError):  # SQLite keeps any bytes in any column
        raise BackupError("the store of the backup is damaged") from None
    finally:
        reader.dispose()
    if outcome.problems:
        raise BackupError(f"the ledger of the backup does not verify: {outcome.problems[0]}")
    gone = rewind.lost(size, known)
    if gone is not None and not order.accept_rewind:
        raise BackupError(
            f"this would rewind the ledger: the backup has {size} entries, but there were"
            f" {gone.size}; --accept-rewind REASON gives the others up, on the record"
        )
    return size, gone


def _approved(place: Place, settings: ControllerSettings, order: Order) -> list[str]:
    """The ids of those who vouch for the restore, where that takes two.

    Raises:
        BackupError: they do not.
    """
    reader = open_reader(place)
    try:
        with store_faults(), reader.connect() as connection:
            return _vouched(connection, settings, order.approvers)
    finally:
        reader.dispose()


def _vouched(
    connection: Connection, settings: ControllerSettings, approvers: Sequence[tuple[str, str]]
) -> list[str]:
    enough = people.administrators(connection) >= people.ADMINISTRATORS_NEEDED
    if not settings.second_person or not enough:
        return []
    found = set()
    for name, password in approvers:
        person = people.named(connection, name)
        right = passwords.is_right(password, people.password_hash(connection, name))
        if person is None or Role.ADMINISTRATOR not in person.roles or not right:
            raise BackupError(f"{name!r}: no administrator with this password")
        found.add(person.id)
    if len(found) < people.ADMINISTRATORS_NEEDED:
        raise BackupError("a restore takes two administrators: --by NAME --by NAME")
    return sorted(found)


def _record(
    place: Place, manifest: Manifest, gone: Known | None, reason: str, by: Sequence[str]
) -> None:
    """Say in the restored ledger that, from what and by whom it was restored."""
    now = clock.now()
    fields = {
        "backup_time": manifest.made_at,
        "by": list(by),
        "lost_checkpoint": None if gone is None else gone.note,
        "reason": reason if gone else "",
    }
    title, severity = (_TITLE, ocsf.MEDIUM) if gone is None else (_REWOUND_TITLE, ocsf.CRITICAL)
    kind = "restore" if gone is None else "restore-rewound"
    engine = open_writer(place)
    migrate(engine)
    with store_faults(), engine.begin() as connection:
        index = Ledger().append(connection, entries.identity(kind, now, fields))
        told = {"event": kind, "backup_time": manifest.made_at, "reason": fields["reason"]}
        alert = notice_event(title, _sentence(gone), gethostname(), severity, index, told, now)
        outbox.put(connection, alert, index, clock.to_micros(now))
    engine.dispose()


def _sentence(gone: Known | None) -> str:
    if gone is None:
        return "No entry that is known of is missing."
    return f"Of {gone.size} entries, those after the backup are lost."


def _put_aside(settings: ControllerSettings, gone: Known | None) -> None:
    """Keep what was published of the lost part under another name."""
    folder = settings.ledger_folder
    if gone is not None and folder.exists():
        folder.rename(_free_name(folder, f"rewound-{gone.size}"))


def _put_in_place(settings: ControllerSettings, place: Place, file: Path) -> None:
    """Let the staged store be the store, with the keys of the backup where there are none."""
    if not settings.identity_dir.exists():
        fresh = settings.identity_dir.with_name("identity.restoring")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        for name in archive.names(file, IDENTITY):
            archive.take_out(file, name, fresh / Path(name).name)
        fresh.rename(settings.identity_dir)
    target = settings.store
    if isinstance(target, Path) and isinstance(place, Path):
        if target.exists():
            _move(target, _free_name(target, "before-restore"))
        _move(place, target)
    _sync(settings.state_dir)


def _move(store: Path, target: Path) -> None:
    """Rename an SQLite store, its log first: the store never stands without it."""
    for suffix in ("-shm", "-wal", ""):
        with contextlib.suppress(FileNotFoundError):
            store.with_name(store.name + suffix).rename(f"{target}{suffix}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_name(path: Path, word: str) -> Path:
    """A name beside ``path`` that nothing has."""
    number = 1
    while (free := path.with_name(f"{path.name}.{word}-{number}")).exists():
        number += 1
    return free
