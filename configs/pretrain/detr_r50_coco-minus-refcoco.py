# mmdet's DETR R-50 on COCO's train2017 without the images that RefCOCO, RefCOCO+ and
# RefCOCOg validate and test with: the vision tower of the R-50 models, without leak.
# tools/dataset_converters/remove_refcoco_images.py writes the annotations; docs/data.md
# has the commands. 150 epochs; mmdet's 500: --cfg-options train_cfg.max_epochs=500
# param_scheduler.0.end=500 param_scheduler.0.milestones="[334]"
_base_ = 'mmdet::detr/detr_r50_8xb2-150e_coco.py'
custom_imports = dict(imports=['m2ist_mm'], allow_failed_imports=False)
train_dataloader = dict(
    dataset=dict(ann_file='annotations/instances_train2017_minus-refcoco.json')
)
