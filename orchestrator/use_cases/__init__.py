"""The use cases behind the commands, one file per command, imported when called."""
