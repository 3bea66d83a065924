"""A model of a few thousand weights with pre-trained towers, and its config.

Loaded by tests with ``runpy.run_path``; see :func:`write_nano_config`.
"""

from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from transformers import BertConfig, BertModel, BertTokenizer

ROOT = Path(__file__).resolve().parents[1]
WORDS = ['left', 'right', 'block', 'pink', 'yellow', 'one']

CONFIG = """
_base_ = [
    '{root}/configs/_base_/schedules/schedule_90e.py',
    '{root}/configs/_base_/default_runtime.py',
]
attention = dict(embed_dims=16, num_heads=2, dropout=0.1, batch_first=True)
ffn = dict(embed_dims=16, feedforward_channels=32, num_fcs=2, ffn_drop=0.1,
           act_cfg=dict(type='ReLU', inplace=True))
model = dict(
    type='SideTunedGrounder',
    data_preprocessor=dict(
        type='RECDataPreprocessor', tokenizer='{text_tower}', max_tokens=8,
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        type='SideTuningBackbone',
        vision=dict(
            type='DETREncoderTower', weights='{vision_tower}', in_channels=32,
            backbone=dict(
                type='ResNet', depth=18, num_stages=3, strides=(1, 2, 2),
                dilations=(1, 1, 1), base_channels=8, stem_channels=8,
                out_indices=(2,), norm_cfg=dict(type='BN', requires_grad=False),
                norm_eval=True),
            encoder=dict(
                num_layers=2, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
            positional_encoding=dict(num_feats=8, normalize=True)),
        language=dict(type='TransformersTower', weights='{text_tower}'),
        vision_taps=dict(attention='encoder.layers.{{i}}.self_attn.proj_drop',
                         ffn='encoder.layers.{{i}}.ffn.layers'),
        language_taps=dict(attention='model.encoder.layer.{{i}}.attention.output',
                           ffn='model.encoder.layer.{{i}}.output.dense'),
        vision_layers=[0, 1], language_layers=[0, 1]),
    neck=dict(type='M3ISA', num_pairs=2, vision_channels=16, language_channels=24,
              hidden_channels=8, scale=0.1),
    bbox_head=dict(
        type='RECHead', vision_channels=16, language_channels=24,
        num_vision_tokens=16, num_text_tokens=8, embed_dims=16, num_layers=2,
        num_heads=2, feedforward_channels=32, dropout=0.1,
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0)),
)
load_image = dict(type='LoadRECImage')
train_pipeline = [
    load_image,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomChoiceResize', scales=[(48, 48), (64, 64)], resize_type='Resize',
         keep_ratio=True),
    dict(type='RandomApply', prob=0.8,
         transforms=[dict(type='ColorJitter', strength=0.4)]),
    dict(type='RECRandomFlip', prob=0.5),
    dict(type='PadToCanvas', size=(64, 64), position='random'),
    dict(type='PackRECInputs'),
]
test_pipeline = [
    load_image,
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='PadToCanvas', size=(64, 64), position='center'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackRECInputs'),
]
train_dataset = dict(
    type='ReferDataset', data_root='{data_root}', refs_file='refcoco/refs(unc).p',
    ann_file='refcoco/instances.json', data_prefix=dict(img='train2014/'),
    split='train', pipeline=train_pipeline)
val_dataset = {{**train_dataset, 'split': 'val', 'pipeline': test_pipeline,
               'test_mode': True}}
train_dataloader = dict(
    batch_size=4, num_workers=0, dataset=train_dataset,
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=4, num_workers=0, dataset=val_dataset,
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = dict(type='RECMetric')
test_evaluator = dict(type='RECMetric')
train_cfg = dict(max_epochs=3)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[1], gamma=0.5)]
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(logger=dict(interval=1))
work_dir = '{work_dir}'
"""


def write_nano_config(folder: Path, data_root: Path, seed: int = 0) -> Path:
    """Write the towers' weights and the config.

    Args:
        folder: Where to write.
        data_root: A little RefCOCO, see ``mini_refcoco``.
        seed: Seed of the towers' random weights.

    Returns:
        Path of the config: 3 epochs of 3 iterations of 4 expressions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    text_tower = folder / 'bert'
    vocabulary = folder / 'vocab.txt'
    vocabulary.write_text('\n'.join(['[PAD]', '[UNK]', '[CLS]', '[SEP]', *WORDS]))
    BertTokenizer(str(vocabulary)).save_pretrained(text_tower)
    BertModel(
        BertConfig(
            vocab_size=4 + len(WORDS),
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=16,
        ),
        add_pooling_layer=False,
    ).save_pretrained(text_tower)
    path = folder / 'nano.py'
    values = dict(
        root=ROOT,
        text_tower=text_tower,
        vision_tower=folder / 'vision.pth',
        data_root=data_root,
        work_dir=folder / 'work',
    )
    path.write_text(CONFIG.format(**values))
    vision = Config.fromfile(path).model.backbone.vision
    tower = MODELS.build(dict(vision, weights=None))
    tower.init_weights()
    torch.save(tower.state_dict(), values['vision_tower'])
    return path
