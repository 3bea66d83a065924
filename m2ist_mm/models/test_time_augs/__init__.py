from .rec_tta_model import RECTTAModel

__all__ = ['RECTTAModel']
