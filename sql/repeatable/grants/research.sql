-- Job: who may do what in schema research; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- Everybody who can run a backtest must be able to record it, an analyst's notebook too, and nobody
-- may take a trial back: the number of trials is what a verdict rests on. So evidence is INSERT
-- only, for pipelines as for analysts: the unique keys make a repetition nothing, and there is no
-- UPDATE or DELETE to leave a trial out with. A function with the owner's rights would take the
-- same values and guard no more.
-- Requests change their state, which pipelines alone does; asking and cancelling are for all.
GRANT USAGE ON SCHEMA research TO candela_app, candela_pipelines, candela_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA research TO candela_app, candela_pipelines, candela_analyst;

GRANT INSERT ON
research.families,
research.sweeps,
research.sweep_chunks,
research.trials,
research.runs,
research.run_reports,
research.strategy_sources
TO candela_pipelines, candela_analyst;
GRANT UPDATE (state, finished_at) ON research.sweeps TO candela_pipelines, candela_analyst;
GRANT UPDATE (checked_at, check_result) ON research.strategy_sources
TO candela_pipelines, candela_analyst;

GRANT INSERT (request_id, kind, spec, surface, requested_by, requested_at) ON research.requests
TO candela_app, candela_analyst;
GRANT INSERT, UPDATE ON research.requests TO candela_pipelines;
GRANT INSERT, DELETE, UPDATE ON research.schedules
TO candela_app, candela_pipelines, candela_analyst;

REVOKE ALL ON FUNCTION research.cancel_request(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION research.cancel_request(text, timestamptz)
TO candela_app, candela_pipelines, candela_analyst;
