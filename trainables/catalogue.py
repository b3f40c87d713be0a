"""The kinds of component behind a trial and its scores. Importing this loads no torch."""

from trainables.imbalance import COMMON
from trainables.registry import Registry
from trainables.registry.specs import (
    CalibratorSpec,
    DatasetSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    ProtocolSpec,
    SamplerSpec,
    TaskSpec,
)

DATASETS = Registry(
    "data set",
    "trainables.datasets",
    "trainables.datasets.base:Dataset",
    DatasetSpec,
    context=["root"],
    common=COMMON,
)
MODELS = Registry(
    "model",
    "trainables.models",
    "torch.nn:Module",
    ModelSpec,
    context=["num_classes", "input_shape", "word_vectors", "pretrained"],
)
LOSSES = Registry(
    "loss",
    "trainables.losses",
    "trainables.losses.base:Loss",
    LossSpec,
    context=["reduction", "class_counts"],
)
SAMPLERS = Registry(
    "sampler",
    "trainables.samplers",
    "trainables.samplers.base:Sampler",
    SamplerSpec,
    context=["samples", "labels", "class_counts"],
)
TASKS = Registry("task", "trainables.tasks", "trainables.tasks.base:Task", TaskSpec)
PROTOCOLS = Registry("protocol", "trainables.protocols", "trainables.protocols.base:Protocol", ProtocolSpec)
METRICS = Registry(
    "metric",
    "trainables.metrics",
    "builtins:float",
    MetricSpec,
    context=["probabilities", "labels", "bins", "test_probabilities", "class_counts"],
)
CALIBRATORS = Registry(
    "calibrator",
    "trainables.calibrators",
    "trainables.calibrators.base:Calibrator",
    CalibratorSpec,
    context=["class_counts"],
)
