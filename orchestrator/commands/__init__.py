"""What is typed: the options of each command, its help, what completes them, and a line for what is wrong.

Light to import, since help and completion must come up at once: a command imports what it needs when it runs.
What a command does, and prints, is in `orchestrator/use_cases/`.
"""
