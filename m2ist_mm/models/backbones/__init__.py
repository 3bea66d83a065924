from .side_tuning_backbone import SideTuningBackbone

__all__ = ['SideTuningBackbone']
