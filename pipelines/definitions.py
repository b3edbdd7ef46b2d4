"""The code location: every definition, named here once."""

import dagster as dg

from pipelines.defs.audit.assets import audit_chain, audit_chain_is_whole
from pipelines.defs.audit.automation import (
    prove_audit_log,
    prove_audit_log_every_night,
    seal_audit_log,
)
from pipelines.defs.backtests.assets import backtest_runs
from pipelines.defs.backtests.automation import (
    requested_backtests,
    run_backtests,
    scheduled_backtests,
)
from pipelines.defs.billing.assets import billing_reconciliation, ended_trials, monthly_income
from pipelines.defs.billing.automation import (
    compare_billing,
    compare_billing_every_night,
    look_at_trials,
    look_at_trials_every_hour,
)
from pipelines.defs.candles.assets import candles
from pipelines.defs.candles.automation import changed_files, keep_current, unfinished_months
from pipelines.defs.candles.jobs import keep_candles_current, update_candles
from pipelines.defs.gaps.assets import candle_gaps
from pipelines.defs.gaps.repair import repair_candle_gaps, repair_every_hour
from pipelines.defs.instruments.assets import instruments
from pipelines.defs.leaving.assets import erased_tenants
from pipelines.defs.leaving.automation import erase_tenants, erase_tenants_every_night
from pipelines.defs.parity.assets import bot_parity, every_gap_is_explained
from pipelines.defs.parity.automation import prove_bots, prove_every_night
from pipelines.defs.performance.assets import daily_summaries, metric_rollups
from pipelines.defs.performance.automation import (
    roll_up_every_10_minutes,
    roll_up_every_night,
    roll_up_figures,
    summarise_days,
    summarise_every_hour,
)
from pipelines.defs.quality.assets import candle_quality
from pipelines.defs.quality.automation import judge_candles, judge_every_night
from pipelines.defs.quality.checks import contract_checks
from pipelines.defs.rankings.assets import instrument_rankings
from pipelines.defs.rankings.automation import market_every_5_minutes, refresh_market
from pipelines.defs.rollups.assets import candle_rollups
from pipelines.defs.rollups.automation import (
    refresh_rollups_and_catalogue,
    refresh_stale_rollups,
    stale_rollups,
)
from pipelines.defs.upkeep.assets import old_rows
from pipelines.defs.upkeep.automation import tidy_every_night, tidy_up
from pipelines.defs.upkeep.janitor import janitor
from pipelines.resources import platform_resource

__all__ = ["defs"]

defs = dg.Definitions(
    assets=[
        instruments,
        instrument_rankings,
        candles,
        candle_gaps,
        candle_quality,
        candle_rollups,
        backtest_runs,
        billing_reconciliation,
        monthly_income,
        ended_trials,
        bot_parity,
        audit_chain,
        erased_tenants,
        metric_rollups,
        daily_summaries,
        old_rows,
    ],
    asset_checks=[contract_checks, audit_chain_is_whole, every_gap_is_explained],
    jobs=[
        update_candles,
        keep_candles_current,
        judge_candles,
        refresh_stale_rollups,
        refresh_rollups_and_catalogue,
        refresh_market,
        repair_candle_gaps,
        run_backtests,
        compare_billing,
        look_at_trials,
        prove_bots,
        prove_audit_log,
        erase_tenants,
        roll_up_figures,
        summarise_days,
        tidy_up,
    ],
    sensors=[
        changed_files,
        unfinished_months,
        stale_rollups,
        requested_backtests,
        scheduled_backtests,
        janitor,
        seal_audit_log,
    ],
    schedules=[
        keep_current,
        market_every_5_minutes,
        repair_every_hour,
        judge_every_night,
        compare_billing_every_night,
        look_at_trials_every_hour,
        prove_every_night,
        prove_audit_log_every_night,
        erase_tenants_every_night,
        roll_up_every_10_minutes,
        roll_up_every_night,
        summarise_every_hour,
        tidy_every_night,
    ],
    resources={"platform": platform_resource()},
    # A step is a query or two: a process for each would cost more than its work.
    executor=dg.in_process_executor,
)
