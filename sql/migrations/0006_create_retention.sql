-- Job: how long data is kept; candles for ever unless somebody says otherwise.
-- Reads: nothing. Writes: retention. Lock: none on existing tables.
CREATE TABLE market.retention (
    relation text NOT NULL,
    keep_for interval,
    CONSTRAINT pk_retention PRIMARY KEY (relation),
    CONSTRAINT ck_retention_relation CHECK (relation IN ('candles', 'rankings')),
    CONSTRAINT ck_retention_keep_for CHECK (keep_for >= INTERVAL '1 day')
);
COMMENT ON TABLE market.retention IS
'what apply_retention keeps: set keep_for, then call it; older rows are gone for good';
COMMENT ON COLUMN market.retention.keep_for IS
'null keeps everything; dropping candles drops their rollups too';

-- Every five minutes the whole market of a venue: a year of it would outgrow the candles.
INSERT INTO market.retention (relation, keep_for)
VALUES ('candles', NULL), ('rankings', INTERVAL '90 days');
