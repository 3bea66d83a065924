# conditional-detr_tiny_refshapes.py with 6 classes, the kinds of shapes, instead of
# 144: a detector knows kinds, and expressions ask for more. The scenes are drawn with
# --detection-classes kinds; weights/README.md has the commands.
_base_ = './conditional-detr_tiny_refshapes.py'
data_root = 'data/refshapes-pretrain-kinds/'
metainfo = dict(classes={{_base_.kinds}})
model = dict(bbox_head=dict(num_classes=6))
train_dataloader = dict(dataset=dict(data_root=data_root, metainfo=metainfo))
val_dataloader = dict(dataset=dict(data_root=data_root, metainfo=metainfo))
val_evaluator = dict(ann_file=data_root + 'refshapes/detection_val.json')
