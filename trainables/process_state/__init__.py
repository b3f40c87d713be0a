"""What is global in a process, and how it is made as it was before a trial: `state.py` has the way in."""
