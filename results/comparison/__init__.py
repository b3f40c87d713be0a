"""Published numbers beside ours, from the rows of a store and `results.tables.published` alone.

places      the data set, network, loss and metric that a published number belongs to, by our names
ours        our seeds' scores for a published number, and the settings that differ from the paper's
verdicts    agrees, differs or not comparable, one per published number
rendering   verdicts as Markdown and CSV
"""
