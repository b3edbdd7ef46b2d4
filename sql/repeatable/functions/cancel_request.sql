-- Job: cancel a request for a backtest that is not over; what works on it sees that and stops.
-- Reads: requests. Writes: requests. Lock: one row.
-- Rights of the owner: who may ask for a backtest may take that back, and change nothing else.
CREATE OR REPLACE FUNCTION research.cancel_request(wanted text, cancelled_at timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found text;
BEGIN
    UPDATE research.requests SET state = 'cancelled', finished_at = cancelled_at
    WHERE requests.request_id = wanted AND requests.state IN ('queued', 'running');
    SELECT requests.state INTO found FROM research.requests
    WHERE requests.request_id = wanted;
    RETURN found;
END
$$;
COMMENT ON FUNCTION research.cancel_request(text, timestamptz) IS
'returns the state it has now: cancelled, or done or failed where it was over; null if unknown';
