from .rec_head import RECHead

__all__ = ['RECHead']
