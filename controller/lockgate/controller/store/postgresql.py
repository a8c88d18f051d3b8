"""The store in a PostgreSQL database: for several controllers at once.

Rules enforced here:

1. Writing sessions commit synchronously, and the store refuses to open on a server that does
   not sync, does not log whole pages, is a standby, or does not keep UTF-8.
2. A writing transaction takes one advisory lock at its beginning and keeps it until it has
   ended: all controllers of a database write one after the other, a batch at a time, so that
   the ledger has one order and what a transaction has read is still true when it commits.
3. Nobody waits for ever: for the server 5 s, for an answer on a dead network 10 s, for the
   lock 10 s; a controller that stands still inside a transaction is cut off after 30 s.
"""

from __future__ import annotations

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text

from lockgate.controller.store.faults import StoreError, store_faults

#: The class of our advisory locks in this database: "LG".
LOCK_CLASS = 0x4C47
_WRITING = 1

_WAITING = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_LIMITS = "-c lock_timeout=10000 -c idle_in_transaction_session_timeout=30000"
_TAKE_LOCK = f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {_WRITING})"
_READ_BACK = {
    "fsync": "on",
    "full_page_writes": "on",
    "server_encoding": "UTF8",
    "transaction_read_only": "off",
}


def open_writer(url: URL, durability: str) -> Engine:
    """The engine of a writer.

    Raises:
        StoreError: the server is away, or does not keep the durability asked for.
    """
    commit = "on" if durability == "FULL" else "off"
    engine = _engine(url, f"-c synchronous_commit={commit} {_LIMITS}", "READ COMMITTED")
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(_TAKE_LOCK))
    try:
        with store_faults(), engine.connect() as connection:
            _verify(connection, {**_READ_BACK, "synchronous_commit": commit})
    except StoreError:
        engine.dispose()
        raise
    return engine


def open_reader(url: URL) -> Engine:
    """An engine that can only read; a transaction sees one moment.

    Raises:
        StoreError: the server is away, or the database holds no store.
    """
    engine = _engine(url, "-c default_transaction_read_only=on", "REPEATABLE READ")
    with store_faults():
        if not _has_store(engine):
            engine.dispose()
            raise StoreError(f"{name_of(url)}: no store here; run `lockgate controller init` first")
    return engine


def exists(url: URL) -> bool:
    """Whether the database holds a store.

    Raises:
        StoreError: the server is away.
    """
    engine = _engine(url, "-c default_transaction_read_only=on", "REPEATABLE READ")
    try:
        with store_faults():
            return _has_store(engine)
    finally:
        engine.dispose()


def name_of(url: URL) -> str:
    """The database as it may be shown: no user, no password."""
    return f"{url.host or url.query.get('host') or 'localhost'}/{url.database}"


def _engine(url: URL, options: str, isolation: str) -> Engine:
    return create_engine(
        url,
        connect_args={**_WAITING, "options": options, "application_name": "lockgate-controller"},
        isolation_level=isolation,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=56,
    )


def _has_store(engine: Engine) -> bool:
    with engine.connect() as connection:
        return inspect(connection).has_table("ledger_entries")


def _verify(connection: Connection, expected: dict[str, str]) -> None:
    for name, value in expected.items():
        found = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar()
        if found != value:
            raise StoreError(f"the database runs with {name}={found}; it must be {value}")
