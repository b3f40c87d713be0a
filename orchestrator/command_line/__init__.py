"""How a command line is read and written: the base classes of commands, and lines to copy and paste."""
