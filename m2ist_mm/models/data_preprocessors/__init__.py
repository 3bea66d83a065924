from .rec_data_preprocessor import RECDataPreprocessor

__all__ = ['RECDataPreprocessor']
