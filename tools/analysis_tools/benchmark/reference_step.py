"""TransVG's training step in the form of its authors' code, to compare ours with."""

from mmdet.models.layers import DetrTransformerEncoder
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor, nn

from m2ist_mm.efficiency import TrainingStep


class ReferenceStep(TrainingStep):
    """Full fine-tuning with parameters, inputs and losses of a config of ours.

    It is computed as the public code of TransVG (arXiv 2104.08541) and of DETR, on
    which that stands, compute it: frozen BatchNorm as a product and a sum, BERT's
    attention with its maps, and a V-L encoder of ``nn.MultiheadAttention`` that gives
    an output for every token in every layer and averages the maps over the heads.

    Args:
        config: Config of full fine-tuning with a ``RECHead``.
        device: Where it runs.

    Raises:
        ValueError: The towers of the config are frozen.
    """

    def build_model(self, config: Config) -> BaseModel:
        """Build the config's model and put the reference's modules into it."""
        if config.model.backbone.get('freeze', True):
            raise ValueError(
                f'{config.filename}: the reference is tuned in full, this config has '
                'frozen towers: take one of configs/full_finetune'
            )
        config.model.backbone.vision.fold_norms = False
        config.model.backbone.language.arch['attn_implementation'] = 'eager'
        model = super().build_model(config)
        _freeze_norms(model.backbone.vision)
        head = model.bbox_head
        first = head.encoder.layers[0]
        dropout, width = first.self_attn.dropout, first.self_attn.embed_dim
        head.encoder = _AllTokensEncoder(
            num_layers=len(head.encoder.layers),
            layer_cfg=dict(
                self_attn_cfg=dict(
                    embed_dims=width,
                    num_heads=first.self_attn.num_heads,
                    dropout=dropout,
                    batch_first=True,
                ),
                ffn_cfg=dict(
                    embed_dims=width,
                    feedforward_channels=first.ffn.feedforward_channels,
                    ffn_drop=dropout,
                ),
            ),
        )
        return model


class _FrozenBatchNorm2d(nn.Module):
    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.eps = norm.eps
        for name in ('weight', 'bias', 'running_mean', 'running_var'):
            self.register_buffer(name, getattr(norm, name).detach().clone())

    def forward(self, inputs: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        bias = self.bias - self.running_mean * scale
        return inputs * scale.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)


class _AllTokensEncoder(nn.Module):
    """DETR's encoder with the interface of ``VLEncoder``."""

    def __init__(self, **encoder) -> None:
        super().__init__()
        self.encoder = DetrTransformerEncoder(**encoder)

    def forward(
        self, tokens: Tensor, position: Tensor, mask: Tensor, with_attention: bool
    ) -> tuple[Tensor, None, Tensor]:
        tokens = self.encoder(query=tokens, query_pos=position, key_padding_mask=mask)
        return tokens[:, :1], None, tokens


def _freeze_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, _FrozenBatchNorm2d(child))
        else:
            _freeze_norms(child)
