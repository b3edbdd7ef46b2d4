-- Job: drop what market.retention no longer keeps; to be called daily.
-- Reads: retention. Writes: candles, rankings. Lock: rows only.
-- Rights of the owner, so that pipelines may call it on TimescaleDB too, where tables are altered.
CREATE OR REPLACE FUNCTION market.apply_retention()
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped bigint := 0;
    touched bigint;
BEGIN
    DELETE FROM market.candles USING market.retention
    WHERE
        retention.relation = 'candles'
        AND candles.time < now() - retention.keep_for;
    GET DIAGNOSTICS touched = ROW_COUNT;
    dropped := dropped + touched;
    DELETE FROM market.rankings USING market.retention
    WHERE
        retention.relation = 'rankings'
        AND rankings.ranked_at < now() - retention.keep_for;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN dropped + touched;
END
$$;
REVOKE ALL ON FUNCTION market.apply_retention() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION market.apply_retention() TO candela_pipelines;
COMMENT ON FUNCTION market.apply_retention() IS 'returns the number of rows dropped';
