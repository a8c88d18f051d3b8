"""The destinations of this installation: one line per sink.

Rules enforced here:

1. A sink is used only if it stands here; nothing is discovered at run time.
"""

from __future__ import annotations

from lockgate.controller.alerts.file import FileSink
from lockgate.controller.alerts.relp import RelpSink
from lockgate.controller.alerts.sink import Sink
from lockgate.controller.alerts.splunk import SplunkSink
from lockgate.controller.alerts.syslog import SyslogSink
from lockgate.controller.alerts.webhook import WebhookSink
from lockgate.controller.config import ControllerSettings


def sinks(settings: ControllerSettings) -> tuple[Sink, ...]:
    """The sinks that the settings ask for."""
    return (
        FileSink(settings.alert_file),
        *map(RelpSink, settings.alerts.relp),
        *map(SyslogSink, settings.alerts.syslog),
        *map(WebhookSink, settings.alerts.webhook),
        *map(SplunkSink, settings.alerts.splunk),
    )
