# The paper's model on Flickr30k Entities.
_base_ = [
    '../_base_/models/m2ist_r50.py',
    '../_base_/datasets/flickr30k.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
