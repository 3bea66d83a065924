# The box is corrected twice by what the image shows at its place: by tokens of 16 x 16
# pixels there, four of which are one token of the V-L encoder.
_base_ = './m2ist_yolox-nano_flickr30k-part.py'
model = dict(
    backbone=dict(vision=dict(stride=16)), bbox_head=dict(refinements=2, pool=2)
)
# on disk: 1 MB a view of an image
default_hooks = dict(
    feature_cache=dict(vision=dict(_delete_=True, folder='caches', dtype='float16'))
)
