from .rec_head import RECHead
from .token_fusion import TokenFusion

__all__ = ['RECHead', 'TokenFusion']
