"""Measuring what a training step costs."""

from .allocation_tracker import AllocationTracker
from .extrapolation import extrapolate, extrapolate_peak, extrapolate_step
from .grouping_plan import GroupingPlan, plan_groups, vision_share
from .paired_times import PairedTimes
from .pipeline_profile import PipelineProfile
from .saved_activations import SavedActivations, part_of
from .step_bytes import (
    MeasuredStep,
    StepBytes,
    cuda_peak,
    measure_step,
)
from .step_flops import step_flops
from .synthetic_inputs import SyntheticInputs
from .training_step import TrainingStep, use_random_towers

__all__ = [
    'AllocationTracker',
    'GroupingPlan',
    'MeasuredStep',
    'PairedTimes',
    'PipelineProfile',
    'SavedActivations',
    'StepBytes',
    'SyntheticInputs',
    'TrainingStep',
    'cuda_peak',
    'extrapolate',
    'extrapolate_peak',
    'extrapolate_step',
    'measure_step',
    'part_of',
    'plan_groups',
    'step_flops',
    'use_random_towers',
    'vision_share',
]
