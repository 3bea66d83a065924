# The data of refcoco.py on a canvas of 448x448, the ViT-B models' input.
_base_ = './refcoco.py'
train_dataloader = dict(dataset=dict(pipeline={{_base_.canvas_448.train}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.canvas_448.test}}))
test_dataloader = dict(dataset=dict(pipeline={{_base_.canvas_448.test}}))
