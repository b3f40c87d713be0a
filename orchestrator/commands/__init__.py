"""The command line: the options of each command, their help and completion, and messages about mistakes.

Imports are light, since help and completion must be instant: a command imports its dependencies when it runs.
The commands' work is in `orchestrator/use_cases/`, their output in `orchestrator/screen/`.
"""
