# The box is corrected twice by what the image shows at its place: by tokens of 16 x 16
# pixels there, four of which are one token of the V-L encoder.
_base_ = './m2ist_yolox-nano.py'
model = dict(
    backbone=dict(vision=dict(stride=16)), bbox_head=dict(refinements=2, pool=2)
)
