"""Whether what a release rests on still stands: its voters, its terms, its way, the keys in it.

Rules enforced here:

1. A vote counts as long as who cast it is here, has the reviewing roles that it was cast with,
   and had nothing to do with the bytes.
2. The terms are those of the policy in force, and the way out is the one that was asked about.
3. The file is for who asked for it, or for who was stopped with it: an approval of one person's
   request hands it to nobody else who happens to open it first. Where a boundary knows no opener,
   none can be told from another.
4. Whether a key is protected is asked of the store itself: memory follows it a moment later.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from lockgate.controller.people import people
from lockgate.controller.registry.schema import registry_keys
from lockgate.controller.release.cases import Release
from lockgate.controller.release.machine import Case, login_of
from lockgate.controller.release.subject import logins, opener_of
from lockgate.controller.store.schema import verdicts
from lockgate.scan.report import Report
from lockgate.wire.terms import REVIEWERS
from lockgate.wire.transfer import Decision, Opener, Transfer

_AT_ONCE = 500


def lapsed(connection: Connection, case: Case) -> frozenset[str]:
    """The logins of votes that count no more."""
    votes = (*case.votes, *case.breakers)
    here = people.present(connection, [vote.person for vote in votes])
    return frozenset(
        vote.login
        for vote in votes
        if vote.login in case.touched
        or vote.person not in here
        or not vote.roles.intersection(REVIEWERS) <= here[vote.person].roles
    )


def has_same_terms(decision: Decision, case: Case) -> bool:
    """Whether the policy in force lets people release it as it did when it was asked for."""
    return decision.release == case.terms


def is_same_way(connection: Connection, release: Release, transfer: Transfer) -> bool:
    """Whether a file leaves over the boundary, and to the people, that were asked for."""
    here = verdicts.c.ledger_index == release.verdict_index
    asked = connection.execute(select(verdicts.c.boundary, verdicts.c.opener).where(here)).first()
    if asked is None or asked.boundary != transfer.boundary.value:
        return False
    if transfer.opener is None:
        return True
    by = people.present(connection, [release.case.requested_by])
    requester = frozenset(login_of(person.name) for person in by.values())
    return not _names(transfer.opener).isdisjoint(requester | _names(opener_of(asked.opener)))


def _names(opener: Opener | None) -> frozenset[str]:
    """Who opens: by login, else by number."""
    if opener is None:
        return frozenset()
    return logins(opener) or frozenset({f"uid {opener.uid}"})


def is_protected(connection: Connection, report: Report) -> bool:
    """Whether a key that was found is registered by now."""
    known = registry_keys.c
    found = sorted({finding.fingerprint for finding in report.findings})
    for first in range(0, len(found), _AT_ONCE):
        some = known.fingerprint.in_(found[first : first + _AT_ONCE])
        here = select(known.fingerprint).where(known.removed_at.is_(None), some)
        if connection.execute(here.limit(1)).first() is not None:
            return True
    return False
