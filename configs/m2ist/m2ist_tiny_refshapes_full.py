# The quickstart with full fine-tuning: no M3ISA; all weights of the towers train, at a
# tenth of the head's learning rate. Their features are not cached.
_base_ = './m2ist_tiny_refshapes_frozen.py'
model = dict(backbone=dict(freeze=False))
default_hooks = dict(feature_cache=None)
