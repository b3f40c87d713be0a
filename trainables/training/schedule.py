"""The learning rate of each epoch, and of each step of the warm-up."""

from __future__ import annotations

import bisect
import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR

from trainables.trial import TrainingSettings


def schedule(settings: TrainingSettings, optimizer: Optimizer) -> LRScheduler:
    """The schedule of the epochs; call its `step` after each."""
    if settings.schedule == "steps" and not settings.warmup_epochs and settings.swa_learning_rate is None:
        return MultiStepLR(optimizer, list(settings.milestones), settings.milestone_factor)
    return LambdaLR(optimizer, lambda epoch: factor(settings, epoch))


def factor(settings: TrainingSettings, epoch: int) -> float:
    """The learning rate of an epoch (from 0) as a share of the initial one, without the warm-up.

    The cosine is that of Loshchilov and Hutter, 'SGDR' (ICLR 2017), equation 5, without restarts, over the
    epochs after the warm-up.
    """
    if settings.swa_learning_rate is not None and epoch >= first_averaged_epoch(settings):
        return settings.swa_learning_rate / settings.learning_rate
    if settings.schedule == "steps":
        drops = bisect.bisect_right(settings.milestones, epoch)
        return float(settings.milestone_factor**drops)
    decaying = settings.epochs - settings.warmup_epochs
    return (1 + math.cos(math.pi * max(0, epoch - settings.warmup_epochs) / decaying)) / 2


def warm_up(optimizer: Optimizer, schedule: LRScheduler, share: float) -> None:
    """Sets the learning rate of one step of the warm-up.

    As by Goyal et al., 'Accurate, Large Minibatch SGD' (2017), section 2.2, it grows by the same amount in
    each step, here from 0: of W steps, step i (from 1) has the share i / W of the scheduled rate.
    """
    for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
        group["lr"] = rate * share


def first_averaged_epoch(settings: TrainingSettings) -> int:
    """The first epoch (from 0) whose weights SWA averages; the last one is always averaged."""
    assert settings.swa_start is not None
    return min(round(settings.swa_start * settings.epochs), settings.epochs - 1)
