"""Figures of a sweep, from its store alone, as SVG or PDF. See docs/figures.md.

    drawings/   one figure, one file
    kinds       what a figure is, and which there are
    data        the finished trials of a sweep: scores, curves and predictions, read when a figure needs them
    arithmetic  probabilities, bins and curves as arrays
    style       one look for all figures, and one colour, marker and line for each loss
    files       a figure as bytes, the same for the same data

Only `style` and the drawings load matplotlib.
"""
