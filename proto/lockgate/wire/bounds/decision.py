"""Bounds of the fields of ``decision.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import CHAIN, NAME, SENTENCE, UUID

BOUNDS = {
    "RequestVerdictRequest.request_id": UUID,
    "RequestVerdictResponse.passport": CHAIN,
    "ReportEnforcementRequest.request_id": UUID,
    "ReportGuardRequest.request_id": UUID,
    "ReportGuardRequest.host": NAME,
    "ReportGuardRequest.detail": SENTENCE,
}
