"""Bounds of the fields of ``review.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import HEX, NAME, SENTENCE, SHORT, UUID, Bound
from lockgate.wire.bounds.person import PERSON_NAME
from lockgate.wire.convert.report import MOST_FINDINGS
from lockgate.wire.convert.values import SHORT_TEXT
from lockgate.wire.terms import MOST_REVIEWERS, REVIEWERS

_REASON = Bound(SENTENCE.high, 1)
_NAME_OR_EMPTY = Bound(PERSON_NAME.high)
#: Where several rules stop a file, the seats of all of them add up.
_MOST_SEATS = MOST_REVIEWERS * len(REVIEWERS)
_PEOPLE = Bound(PERSON_NAME.high, items=_MOST_SEATS)
#: Releases and holds in one list.
MOST_LISTED = 1000

BOUNDS = {
    "ReleaseVote.person": _NAME_OR_EMPTY,
    "ReleaseVote.reason": SENTENCE,
    "Release.release_id": UUID,
    "Release.owner": SENTENCE,
    "Release.transfer_id": UUID,
    "Release.host": NAME,
    "Release.rule": SHORT,
    "Release.sha256": HEX,
    "Release.report_digest": HEX,
    "Release.rule_pack": SHORT,
    "Release.classes": Bound(items=16),
    "Release.findings": Bound(items=MOST_FINDINGS),
    "Release.requested_by": _NAME_OR_EMPTY,
    "Release.reason": SENTENCE,
    "Release.reviewers": Bound(SHORT_TEXT, items=_MOST_SEATS),
    "Release.voted": _PEOPLE,
    "Release.votes": Bound(items=_MOST_SEATS),
    "Release.breakers": _PEOPLE,
    "Hold.transfer_id": UUID,
    "Hold.host": NAME,
    "Hold.zone": NAME,
    "Hold.rule": SHORT,
    "Hold.owner": SHORT,
    "RequestReleaseRequest.request_id": UUID,
    "RequestReleaseRequest.transfer_id": UUID,
    "RequestReleaseRequest.reason": _REASON,
    "ListReleasesResponse.releases": Bound(items=MOST_LISTED),
    "ListReleasesResponse.holds": Bound(items=MOST_LISTED),
    "GetReleaseRequest.release_id": UUID,
    "VoteRequest.request_id": UUID,
    "VoteRequest.release_id": UUID,
    "VoteRequest.reason": SENTENCE,
    "WithdrawRequest.request_id": UUID,
    "WithdrawRequest.release_id": UUID,
    "BreakGlassRequest.request_id": UUID,
    "BreakGlassRequest.release_id": UUID,
    "BreakGlassRequest.reason": _REASON,
}
