# The paper's model on RefCOCO, RefCOCO+ and RefCOCOg together.
_base_ = [
    '../_base_/models/m2ist_r50.py',
    '../_base_/datasets/refcoco-mixed.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
# RefCOCOg's expressions are long
model = dict(data_preprocessor=dict(max_tokens=40), bbox_head=dict(num_text_tokens=40))
