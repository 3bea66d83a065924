"""Training loops, registered in mmdet's ``LOOPS``."""

from .micro_batch_train_loop import MicroBatchTrainLoop

__all__ = ['MicroBatchTrainLoop']
