"""What each command does, one file a command, imported only when it is called."""
