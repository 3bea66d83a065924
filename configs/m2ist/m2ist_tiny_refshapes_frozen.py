# The quickstart with frozen towers alone: no M3ISA, and so none of its input tokens.
_base_ = './m2ist_tiny_refshapes.py'
model = dict(neck=None)
