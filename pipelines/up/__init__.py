"""`candela up`: servers, schema, sample and assets in one command, then Dagster's pages."""
