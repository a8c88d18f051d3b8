"""Releases in the store: rows to cases of the machine and back.

Rules enforced here:

1. A case is read whole, with its votes and with everybody who had to do with its bytes, in the
   transaction that changes it.
2. Writing a case writes what the machine says and nothing else; votes that it dropped stay as rows
   that count no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from lockgate.controller.clock import from_micros, to_micros
from lockgate.controller.people import roles
from lockgate.controller.release.machine import Case, Subject, Vote
from lockgate.controller.release.schema import release_touches, release_votes, releases
from lockgate.controller.release.states import Action, State
from lockgate.controller.store.schema import verdicts
from lockgate.wire.terms import BreakGlass, ReleaseTerms

_OPEN = releases.c.deadline.is_not(None)
# The statement of the hot path is built once: building costs more than the database's work.
_SAME_PATH = exists().where(
    verdicts.c.ledger_index == releases.c.verdict_index, verdicts.c.path == bindparam("path")
)
_NEAR = select(releases).where(
    or_(
        (releases.c.host == bindparam("host")) & _SAME_PATH,
        releases.c.sha256 == bindparam("sha256"),
    ),
    _OPEN,
)


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its case, and what the machine does not need to know.

    ``transfer_id`` and ``verdict_index`` name the verdict that stopped the file;
    ``moving_transfer`` the attempt whose receipt is waited for.
    """

    id: str
    case: Case
    transfer_id: str
    verdict_index: int
    requested_at: datetime
    reason: str
    moving_transfer: str | None = None


def read(connection: Connection, release_id: str) -> Release | None:
    """The release of that id."""
    found = _all(connection, releases.c.release_id == release_id)
    return found[0] if found else None


def near(connection: Connection, host: str, path: str, sha256: str | None) -> list[Release]:
    """Releases that wait, of the file of this path on ``host`` or of these bytes anywhere."""
    here = {"host": host, "path": path, "sha256": sha256 or ""}
    return [_release(connection, row) for row in connection.execute(_NEAR, here).all()]


def of_bytes(connection: Connection, sha256: str) -> list[Release]:
    """Releases of these bytes that wait, wherever."""
    return _all(connection, (releases.c.sha256 == sha256) & _OPEN)


def moving(connection: Connection, transfer_id: str) -> Release | None:
    """The release that the receipt of this transfer tells of: of several the one that waits."""
    found = _all(connection, releases.c.moving_transfer == transfer_id)
    return max(found, key=lambda one: (one.case.deadline is not None, one.id), default=None)


def overdue(connection: Connection, now: datetime, most: int) -> list[Release]:
    """Releases whose deadline is over, the oldest first, at most so many."""
    return _all(connection, releases.c.deadline <= to_micros(now), most)


def waiting_of(connection: Connection, person: str) -> int:
    """How many releases that somebody asked for wait."""
    mine = select(func.count()).where(releases.c.requested_by == person, _OPEN)
    return int(connection.execute(mine).scalar_one())


def standing(connection: Connection, state: State) -> list[Release]:
    """Releases in one state."""
    return _all(connection, (releases.c.state == state.value) & _OPEN)


def newest(connection: Connection, most: int, *, waiting_only: bool) -> list[Release]:
    """The newest first, at most so many."""
    query = select(releases).order_by(releases.c.release_id.desc()).limit(most)
    rows = connection.execute(query.where(_OPEN) if waiting_only else query).all()
    return [_release(connection, row) for row in rows]


def add(connection: Connection, release: Release) -> None:
    """Write a new release."""
    subject = asdict(release.case.subject)
    row = {
        "release_id": release.id,
        "transfer_id": release.transfer_id,
        "verdict_index": release.verdict_index,
        "requested_by": release.case.requested_by,
        "requested_at": to_micros(release.requested_at),
        "reason": release.reason,
        "terms": _terms_to_text(release.case.terms),
        **subject,
        **_changing(release),
    }
    connection.execute(insert(releases).values(**row))


def save(connection: Connection, release: Release, case: Case, **changes: Any) -> Release:
    """Write what became of a release; it as it now is."""
    changed = replace(release, case=case, **changes)
    here = releases.c.release_id == release.id
    connection.execute(update(releases).where(here).values(**_changing(changed)))
    for vote in _dropped(release.case, case):
        this = (
            (release_votes.c.release_id == release.id)
            & (release_votes.c.person == vote.person)
            & (release_votes.c.breaks_glass == (vote.choice is Action.BREAK_GLASS))
        )
        connection.execute(update(release_votes).where(this).values(counts=False))
    return changed


def add_vote(
    connection: Connection, release_id: str, vote: Vote, reason: str, salt: bytes, now: datetime
) -> None:
    """Keep a vote with its reason, and the salt of its commitment."""
    row = {
        "release_id": release_id,
        "person": vote.person,
        "breaks_glass": vote.choice is Action.BREAK_GLASS,
        "login": vote.login,
        "roles": roles.to_text(vote.roles),
        "choice": vote.choice.value,
        "reason": reason,
        "salt": salt,
        "cast_at": to_micros(now),
        "counts": True,
    }
    connection.execute(insert(release_votes).values(**row))


def has_voted(connection: Connection, release_id: str, person: str, action: Action) -> bool:
    """Whether somebody voted, or broke the glass, ever: also when it counts no more."""
    mine = select(release_votes.c.person).where(
        release_votes.c.release_id == release_id,
        release_votes.c.person == person,
        release_votes.c.breaks_glass == (action is Action.BREAK_GLASS),
    )
    return connection.execute(mine).first() is not None


def cast(connection: Connection, release_id: str) -> list[Row[Any]]:
    """The rows of the votes that count, in their order."""
    query = select(release_votes).where(
        release_votes.c.release_id == release_id, release_votes.c.counts.is_(True)
    )
    return list(connection.execute(query.order_by(release_votes.c.cast_at)))


def touched(connection: Connection, sha256: str) -> frozenset[str]:
    """The logins of everybody known to have had to do with these bytes."""
    query = select(release_touches.c.login).where(release_touches.c.sha256 == sha256)
    return frozenset(connection.execute(query).scalars())


def add_touches(connection: Connection, sha256: str, logins: Iterable[str], now: datetime) -> None:
    """Remember who had to do with these bytes."""
    new = frozenset(logins)
    for login in sorted(new - touched(connection, sha256)) if new else ():
        row = {"sha256": sha256, "login": login, "touched_at": to_micros(now)}
        connection.execute(insert(release_touches).values(**row))


def forget_touches(connection: Connection, sha256: str, logins: Iterable[str]) -> None:
    """Erase who had to do with these bytes: these logins."""
    here = (release_touches.c.sha256 == sha256) & release_touches.c.login.in_(sorted(logins))
    connection.execute(delete(release_touches).where(here))


def forget_login(connection: Connection, login: str) -> None:
    """Erase a login wherever it stands; votes keep the id of who cast them."""
    connection.execute(delete(release_touches).where(release_touches.c.login == login))
    mine = release_votes.c.login == login
    connection.execute(update(release_votes).where(mine).values(login=None))


def _all(
    connection: Connection, condition: ColumnElement[bool], most: int | None = None
) -> list[Release]:
    query = select(releases).where(condition).order_by(releases.c.release_id).limit(most)
    return [_release(connection, row) for row in connection.execute(query).all()]


def _release(connection: Connection, row: Row[Any]) -> Release:
    votes = [_vote(each) for each in cast(connection, row.release_id)]
    case = Case(
        subject=Subject(row.sha256, row.report_digest, row.rule_pack, row.host, row.zone),
        terms=_terms_from_text(row.terms),
        requested_by=row.requested_by,
        touched=touched(connection, row.sha256),
        state=State(row.state),
        changed_at=from_micros(row.changed_at),
        deadline=_time(row.deadline),
        votes=tuple(vote for vote in votes if vote.choice is not Action.BREAK_GLASS),
        breakers=tuple(vote for vote in votes if vote.choice is Action.BREAK_GLASS),
        valid_until=_time(row.valid_until),
    )
    return Release(
        id=row.release_id,
        case=case,
        transfer_id=row.transfer_id,
        verdict_index=row.verdict_index,
        requested_at=from_micros(row.requested_at),
        reason=row.reason,
        moving_transfer=row.moving_transfer,
    )


def _vote(row: Row[Any]) -> Vote:
    return Vote(row.person, row.login or "", roles.from_text(row.roles), Action(row.choice))


def _changing(release: Release) -> dict[str, Any]:
    case = release.case
    return {
        "state": case.state.value,
        "changed_at": to_micros(case.changed_at),
        "deadline": None if case.deadline is None else to_micros(case.deadline),
        "valid_until": None if case.valid_until is None else to_micros(case.valid_until),
        "moving_transfer": release.moving_transfer,
    }


def _dropped(before: Case, after: Case) -> set[Vote]:
    return {*before.votes, *before.breakers} - {*after.votes, *after.breakers}


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _terms_to_text(terms: ReleaseTerms) -> str:
    """JSON, with spans in seconds."""
    return json.dumps(asdict(terms), default=lambda span: int(span.total_seconds()))


def _terms_from_text(text: str) -> ReleaseTerms:
    read = json.loads(text)
    glass = read["break_glass"]
    return ReleaseTerms(
        reviewers=tuple(read["reviewers"]),
        within=_span(read, "within"),
        valid_for=_span(read, "valid_for"),
        break_glass=None
        if glass is None
        else BreakGlass(tuple(glass["by"]), _span(glass, "within"), _span(glass, "valid_for")),
    )


def _span(values: Mapping[str, Any], name: str) -> timedelta:
    return timedelta(seconds=values[name])
