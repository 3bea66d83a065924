# The quickstart without side networks: what M3ISA adds is the difference.
_base_ = './m2ist_tiny_refshapes.py'
model = dict(neck=dict(experts=()))
