"""Alerts as syslog messages: the RFC's grammar, whatever the event holds."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller.alerts import rfc5424
from lockgate.controller.alerts.outbox import Alert

#: RFC 5424, section 6, for what is sent here.
GRAMMAR = re.compile(
    rb"<(\d{1,3})>1 "
    rb"(-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) "
    rb"([!-~]{1,255}) lockgate - ([!-~]{1,32}) "
    rb'\[lockgate@32473 uid="[^"\]\\]{1,36}"( repeated="possible")?\] '
    rb"([ -~]+)"
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(
    uid=st.text(max_size=40),
    kind=st.text(max_size=40),
    severity=st.integers(0, 9),
    millis=st.integers(0, 1 << 42) | st.none(),
    more=VALUES,
    repeated=st.booleans(),
)
def test_every_event_is_one_message_of_the_grammar(uid, kind, severity, millis, more, repeated):
    """Nothing in an event can break out of its place, and the event itself arrives unchanged."""
    event = {
        "time": millis,
        "severity_id": severity,
        "unmapped": {"lockgate": {"event": kind}},
        "more": more,
    }

    message = rfc5424.message(Alert(1, uid, json.dumps(event)), is_repeated=repeated)

    found = GRAMMAR.fullmatch(message)
    assert found
    assert bool(found[5]) is repeated
    assert json.loads(found[6]) == event


@pytest.mark.parametrize(
    ("severity", "priority"), [(1, 110), (2, 109), (3, 108), (4, 107), (5, 106)]
)
def test_priority_follows_the_severity(severity, priority):
    """Facility log audit; OCSF's severities become those of syslog."""
    alert = Alert(1, "uid", json.dumps({"severity_id": severity}))
    assert rfc5424.message(alert, is_repeated=False).startswith(f"<{priority}>1 ".encode())
