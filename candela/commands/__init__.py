"""The command line: one Typer app, light to load, with JSON for scripts on every command."""
