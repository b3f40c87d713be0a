"""The kinds of component that a trial and its scores are made of. Reading this loads no torch."""

from trainables.registry import Registry

DATASETS = Registry("data set", "trainables.datasets", "trainables.datasets.base:Dataset", context=["root"])
MODELS = Registry(
    "model",
    "trainables.models",
    "torch.nn:Module",
    context=["num_classes", "input_shape", "word_vectors", "pretrained"],
)
LOSSES = Registry("loss", "trainables.losses", "trainables.losses.base:Loss", context=["reduction"])
PROTOCOLS = Registry("protocol", "trainables.protocols", "trainables.protocols.base:Protocol")
METRICS = Registry(
    "metric", "trainables.metrics", "builtins:float", context=["probabilities", "labels", "bins"]
)
CALIBRATORS = Registry("calibrator", "trainables.calibrators", "trainables.calibrators.base:Calibrator")
