"""Processes of executors: started, watched, started again, drained."""
