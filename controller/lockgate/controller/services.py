"""What the controller serves, port by port: one line for each service.

Rules enforced here: the mTLS port serves agents and people, who are told apart by their
certificates in each call; the server-TLS port serves only those who have no certificate yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from lockgate.controller import setup
from lockgate.controller.calls import Calls
from lockgate.controller.changes.changes import Changes
from lockgate.controller.changes.service import ChangeService
from lockgate.controller.config import ControllerSettings
from lockgate.controller.enrolment_service import EnrolmentService
from lockgate.controller.evidence.service import LedgerService
from lockgate.controller.hosts.service import HostService
from lockgate.controller.identity.authority import (
    LEDGER_PUBLIC,
    PASSPORT_KEY,
    Authority,
    load_signing_key,
)
from lockgate.controller.incidents.service import IncidentService
from lockgate.controller.ledger import Ledger
from lockgate.controller.ledger.verify import load_key
from lockgate.controller.metrics import Tally
from lockgate.controller.passports.service import PassportService
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.service import LoginService, PersonService
from lockgate.controller.policies.bundles import BundleService, Signer
from lockgate.controller.policies.service import PolicyService
from lockgate.controller.registry.service import RegistryService
from lockgate.controller.release.releases import Releases
from lockgate.controller.release.service import ReviewService
from lockgate.controller.service import DecisionService, Gate
from lockgate.controller.store.lease import Holds
from lockgate.controller.store.writer import Writer
from lockgate.controller.stream.hub import Hub
from lockgate.controller.stream.service import AgentService
from lockgate.v1 import (
    agent_pb2,
    agent_pb2_grpc,
    bundle_pb2,
    bundle_pb2_grpc,
    change_pb2,
    change_pb2_grpc,
    decision_pb2,
    decision_pb2_grpc,
    enrolment_pb2,
    enrolment_pb2_grpc,
    host_pb2,
    host_pb2_grpc,
    incident_pb2,
    incident_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    passport_pb2,
    passport_pb2_grpc,
    person_pb2,
    person_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
    review_pb2,
    review_pb2_grpc,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What services are made of."""

    settings: ControllerSettings
    authority: Authority
    gate: Gate
    writer: Writer
    holds: Holds
    reader: Engine
    ledger: Ledger
    tally: Tally
    calls: Calls
    people: PersonCalls
    changes: Changes
    hub: Hub


@dataclass(frozen=True, slots=True)
class Service:
    """A servicer and how a server takes it; ``name`` is the full one of the contract.

    ``add`` is generated code; it is given what stands for the server (``receiving``).
    """

    name: str
    add: Callable[[Any, Any], None]
    servicer: Any


def known_peers(parts: Parts) -> list[Service]:
    """The services of the mTLS port."""
    return [
        _served(
            decision_pb2,
            decision_pb2_grpc,
            DecisionService(parts.calls, parts.ledger, parts.gate, parts.tally),
        ),
        _served(
            agent_pb2,
            agent_pb2_grpc,
            AgentService(parts.calls, parts.ledger, parts.hub, parts.settings.heartbeat_seconds),
        ),
        _served(host_pb2, host_pb2_grpc, HostService(parts.people, parts.ledger)),
        _served(person_pb2, person_pb2_grpc, PersonService(parts.people)),
        _served(change_pb2, change_pb2_grpc, ChangeService(parts.people, parts.changes)),
        _served(
            bundle_pb2,
            bundle_pb2_grpc,
            BundleService(parts.calls, parts.reader, parts.gate.policies, _bundle_signer(parts)),
        ),
        _served(
            policy_pb2,
            policy_pb2_grpc,
            PolicyService(parts.people, parts.ledger, parts.reader, parts.gate.keys),
        ),
        _served(
            registry_pb2,
            registry_pb2_grpc,
            RegistryService(parts.calls, parts.people, parts.ledger, parts.gate.keys),
        ),
        _served(
            incident_pb2,
            incident_pb2_grpc,
            IncidentService(parts.people, parts.ledger, parts.gate.keys),
        ),
        _served(
            review_pb2,
            review_pb2_grpc,
            ReviewService(parts.people, Releases(parts.ledger, parts.gate)),
        ),
        _served(passport_pb2, passport_pb2_grpc, PassportService(parts.people, parts.ledger)),
        _served(ledger_pb2, ledger_pb2_grpc, _ledger_service(parts)),
    ]


def _ledger_service(parts: Parts) -> LedgerService:
    key = load_key(parts.settings.identity_dir / LEDGER_PUBLIC)
    return LedgerService(parts.people, key, parts.settings)


def strangers(parts: Parts) -> list[Service]:
    """The services of the server-TLS port."""
    life = timedelta(hours=parts.settings.login_hours)
    return [
        _served(
            enrolment_pb2,
            enrolment_pb2_grpc,
            EnrolmentService(parts.calls, setup.registrar(parts.settings, parts.ledger)),
        ),
        _served(
            person_pb2,
            person_pb2_grpc,
            LoginService(parts.calls, parts.ledger, parts.authority, life),
        ),
    ]


def _bundle_signer(parts: Parts) -> Signer:
    key = load_signing_key(parts.settings.identity_dir / PASSPORT_KEY)
    return Signer(key, parts.authority.trust_domain)


def _served(messages: Any, stubs: Any, servicer: Any) -> Service:
    """The service that ``servicer`` is named for, of the generated modules of one .proto."""
    name = type(servicer).__name__
    full = messages.DESCRIPTOR.services_by_name[name].full_name
    return Service(full, getattr(stubs, f"add_{name}Servicer_to_server"), servicer)
