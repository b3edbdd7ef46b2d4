"""Rows of a user's own profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from candela.desk.session import TenantSession

__all__ = ["change_profile", "profile_row"]

_PROFILE: Final = """
SELECT u.user_id, u.tenant_id, u.email, u.name, u.role, u.language, u.created_at, t.zone,
    c.email_verified_at, c.last_login_at, c.totp_confirmed_at IS NOT NULL AS has_second_factor,
    coalesce(s.plan, 'free') AS plan, coalesce(s.status, 'active') AS plan_status,
    CASE WHEN s.status = 'trialing' THEN s.period_end_at END AS trial_ends_at,
    r.code AS referral_code,
    (SELECT count(*) FROM identity.recovery_codes AS k
     WHERE k.tenant_id = u.tenant_id AND k.user_id = u.user_id AND k.used_at IS NULL
    ) AS recovery_codes_left
FROM tenancy.users AS u
INNER JOIN tenancy.tenants AS t USING (tenant_id)
LEFT JOIN identity.credentials AS c USING (tenant_id, user_id)
LEFT JOIN tenancy.subscriptions AS s USING (tenant_id)
LEFT JOIN identity.referrals AS r USING (tenant_id)
WHERE u.tenant_id = %(tenant)s AND u.user_id = %(user)s
"""
_USER: Final = """
UPDATE tenancy.users SET
    name = coalesce(%(name)s, name), language = coalesce(%(language)s, language),
    updated_at = %(at)s
WHERE tenant_id = %(tenant)s AND user_id = %(user)s
"""
_ZONE: Final = """
UPDATE tenancy.tenants SET zone = coalesce(%(zone)s, zone) WHERE tenant_id = %(tenant)s
"""


def profile_row(session: TenantSession, user_id: UUID) -> dict[str, Any] | None:
    """Return what a user sees of oneself."""
    return session.row(_PROFILE, {"user": user_id})


def change_profile(
    session: TenantSession,
    user_id: UUID,
    *,
    name: str | None,
    language: str | None,
    zone: str | None,
    at: datetime,
) -> None:
    """Change what is not None."""
    values = {"user": user_id, "name": name, "language": language, "zone": zone, "at": at}
    session.run(_USER, values)
    session.run(_ZONE, values)
