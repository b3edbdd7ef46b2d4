-- Job: takes away logs of bots that are older than the plan of their tenant keeps them.
-- Reads: tenancy.tenants, tenancy.subscriptions. Writes: trading.bot_logs. Lock: rows removed.
-- In portions, so that a night's work holds no long transaction: call it until it returns 0.
-- Days are handed in, since plans are data of the program: {"free": 7, ...}. A plan that is not
-- named keeps all. It has the rights of the caller.
CREATE OR REPLACE FUNCTION trading.remove_old_logs(
    days_of_plan jsonb, as_of timestamptz, at_most integer
) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
WITH kept AS (
    SELECT
        plans.key AS plan,
        as_of - make_interval(days => plans.value::integer) AS since_at
    FROM jsonb_each_text(days_of_plan) AS plans
),

old AS (
    SELECT
        logs.tenant_id,
        logs.bot_id,
        logs.log_id
    FROM tenancy.tenants AS tenants
    LEFT JOIN tenancy.subscriptions AS subscriptions
        ON tenants.tenant_id = subscriptions.tenant_id
    INNER JOIN kept ON coalesce(subscriptions.plan, 'free') = kept.plan
    INNER JOIN trading.bot_logs AS logs
        ON tenants.tenant_id = logs.tenant_id AND kept.since_at > logs.logged_at
    ORDER BY logs.tenant_id, logs.logged_at
    LIMIT at_most
),

removed AS (
    DELETE FROM trading.bot_logs AS logs
    USING old
    WHERE
        logs.tenant_id = old.tenant_id
        AND logs.bot_id = old.bot_id
        AND logs.log_id = old.log_id
    RETURNING logs.log_id
)

SELECT count(*) FROM removed;
$$;
COMMENT ON FUNCTION trading.remove_old_logs(jsonb, timestamptz, integer) IS
'removes at most so many logs that are older than their plan keeps them; returns how many';
