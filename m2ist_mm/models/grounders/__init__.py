from .side_tuned_grounder import SideTunedGrounder

__all__ = ['SideTunedGrounder']
