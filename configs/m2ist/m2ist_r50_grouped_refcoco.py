# The paper's model; an image goes through the vision side once for its expressions.
# Each expression is augmented as often as alone, see docs/efficiency.md.
_base_ = './m2ist_r50_refcoco.py'
# 64 expressions in the mean: on RefCOCO's val list a group has 2.8 of them
train_dataloader = dict(batch_size=23, dataset=dict(max_expressions_per_sample=8))
auto_scale_lr = dict(base_batch_size=23)
val_dataloader = dict(batch_size=8, dataset=dict(max_expressions_per_sample=8))
test_dataloader = dict(batch_size=8, dataset=dict(max_expressions_per_sample=8))
