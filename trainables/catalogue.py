"""The four kinds of component that a trial is made of. Reading this loads no torch."""

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
