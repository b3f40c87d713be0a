"""Protocols: the training settings of each cell of a benchmark, with every deviation as a named field."""
