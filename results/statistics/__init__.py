"""Statistics of scores, from arrays and data frames alone: nothing here knows a store, a trial or a table.

    complete         scores by cell and loss, refusing duplicates and holes
    seeds            mean and standard deviation over seeds
    binned           calibration errors as functions of binned sums
    noise_floor      a calibration error as it would be if the network were calibrated
    resampling       scores over resampled test samples
    differences      paired differences: t interval over seeds, two-level bootstrap over seeds and samples
    multiple         Holm's correction
    ties             the losses of a row that cannot be distinguished from the best
    ranks            Friedman, Wilcoxon, average ranks and critical differences over the cells of a benchmark
    published        published numbers beside ours: prediction interval, Welch's test, agreement by chance
    power            number of seeds that would distinguish two losses

scipy.stats loads slowly and is imported by the functions that use it; `scipy.special`, which suffices for
tables, does not. Invalid input raises ValueError in one line.
"""
