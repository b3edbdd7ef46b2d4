-- Job: rankings as a hypertable, so that whole days of them can be dropped.
-- Reads: rankings, when a plain database becomes this one. Writes: rankings and its chunks.
-- Lock: rankings, exclusively, for as long as its rows take to move.
SELECT create_hypertable(
    'market.rankings', by_range('ranked_at', INTERVAL '7 days'),
    create_default_indexes => false, migrate_data => true
);
ALTER TABLE market.rankings SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'venue, symbol',
    timescaledb.orderby = 'ranked_at'
);
CALL add_columnstore_policy('market.rankings', after => INTERVAL '7 days');
