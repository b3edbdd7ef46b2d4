"""Sealing each minute, without a run of its own, and the nightly proof."""

import dagster as dg

from candela.audit.sealing import seal
from pipelines.defs.audit.assets import audit_chain
from pipelines.resources import Platform

__all__ = ["prove_audit_log", "prove_audit_log_every_night", "seal_audit_log"]

_EVERY_S = 60


@dg.sensor(  # pyright: ignore[reportUnknownMemberType]
    minimum_interval_seconds=_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Links new entries of the audit log. In the daemon itself: a run would cost seconds of a"
        " processor each minute for a query of milliseconds."
    ),
)
def seal_audit_log(platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
    """Seal what was written since the last look; the log of the daemon publishes the head."""
    count, head = seal(platform.database, platform.clock)
    return dg.SkipReason(f"{count} entries sealed; head {head}")


prove_audit_log = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    "prove_audit_log",
    selection=dg.AssetSelection.assets(audit_chain),
    description="Prove the audit log from its first link.",
)

prove_audit_log_every_night = dg.ScheduleDefinition(
    name="prove_audit_log_every_night",
    job=prove_audit_log,
    cron_schedule="20 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Proves the audit log once a day.",
)
