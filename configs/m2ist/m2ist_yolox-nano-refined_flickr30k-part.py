# The box is corrected twice by what the image shows at its place.
_base_ = './m2ist_yolox-nano_flickr30k-part.py'
model = dict(bbox_head=dict(refinements=2))
