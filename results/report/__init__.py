"""The report of a sweep: one self-contained page, from tables, stored predictions, curves and failures."""
