# Every exact saving of memory on: grouped, one image at a time in the vision tower,
# V-L layers recomputed in backward. 64 expressions, 8 of an image, take 5.0 GB
# (docs/benchmarks/efficiency.md): a GPU of 8 GB.
_base_ = './m2ist_vitb_grouped_refcoco.py'
model = dict(backbone=dict(vision=dict(chunk=1)), bbox_head=dict(recompute=True))
