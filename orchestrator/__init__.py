"""Who runs it: Ray Tune, progress, the command line. Only this package imports Ray."""
