"""BitFit: only biases are tuned."""

from mmdet.registry import MODELS

from .base_tuner import BaseTuner


@MODELS.register_module()
class BitFitTuner(BaseTuner):
    """BitFit (Ben Zaken et al. 2022, arXiv 2106.10199).

    Adds nothing. Every bias of both towers that full fine-tuning would tune is tuned,
    those of LayerNorms too; the convolution backbone's frozen BatchNorms stay frozen.
    """

    def tunes(self, name: str) -> bool:
        """Whether a weight of the towers is a bias."""
        return name.endswith('bias')
