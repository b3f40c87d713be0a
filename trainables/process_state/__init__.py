"""Global state of a process, and its restoration after a trial: start with `state.py`."""
