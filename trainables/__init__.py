"""Trials: data sets, models, losses, protocols, training and calibration, in plain PyTorch.

Nothing here depends on Ray, YAML or Parquet. Importing this package loads no torch: only the modules that
train (`training`, `losses.*`, `models.*`, `datasets.*`, `calibration`) do.
"""
