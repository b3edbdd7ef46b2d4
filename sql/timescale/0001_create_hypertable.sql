-- Job: candles as a hypertable that keeps its older months in the columnstore.
-- Reads: candles, when a plain database becomes this one. Writes: candles and its chunks.
-- Lock: candles, exclusively, for as long as its rows take to move.
-- 30 days a chunk: a month of minutes of one instrument is 44 full batches of the columnstore and
-- one batch of the importer; 7 days cost 18 % more space and four times the chunks to plan over.
SELECT create_hypertable(
    'market.candles', by_range('time', INTERVAL '30 days'),
    create_default_indexes => false, migrate_data => true
);

-- A segment is a series, in the order that series are read and their changes are small in.
ALTER TABLE market.candles SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'instrument_id, timeframe_s',
    timescaledb.orderby = 'time'
);
