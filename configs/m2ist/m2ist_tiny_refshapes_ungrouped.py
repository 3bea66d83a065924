# The quickstart with each expression as a sample of its own: the same expressions in
# batches of the same size, to see what grouping costs and gains.
_base_ = './m2ist_tiny_refshapes.py'
train_dataloader = dict(
    batch_size=76, dataset=dict(max_expressions_per_sample=1, indices=46907)
)
auto_scale_lr = dict(base_batch_size=76)
