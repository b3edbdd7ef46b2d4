-- Job: who may do what with alerts; the current truth.
-- Reads: nothing. Writes: privileges. Lock: none on tables.
-- app makes, changes and removes them; executors, which are members of app, note what was told.
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.alerts TO candela_app;
