"""The nano model: a model of a few thousand weights, for all tests, and its config.

Tests get it by the fixtures ``nano_path``, ``nano_config`` and ``write_nano_config`` of
``tests/conftest.py``.
"""

import copy
from pathlib import Path

import torch
from mmdet.registry import MODELS
from transformers import BertConfig, BertModel, BertTokenizer

ROOT = Path(__file__).resolve().parents[1]
# height and width differ, so that they cannot be exchanged; stride 32
CANVAS = (128, 96)
SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
WORDS = (
    'the a red green blue square circle man dog tree left right top on in of big small '
    'second from ##ly ##most , . block pink yellow one'
).split()

VISION = dict(
    type='DETREncoderTower',
    size=CANVAS,
    weights=None,
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=8,
        stem_channels=8,
        out_indices=(3,),
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
    ),
    embed_dims=32,
    num_layers=2,
    num_heads=4,
    feedforward_channels=64,
)
LANGUAGE = dict(
    type='TransformersTower',
    weights=None,
    arch=dict(
        model_type='bert',
        vocab_size=len(SPECIAL_TOKENS) + len(WORDS),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
    ),
    max_tokens=8,
)
BACKBONE = dict(type='SideTuningBackbone', vision=VISION, language=LANGUAGE)
NECK = dict(
    type='M3ISA',
    vision_layers=[0, 1],
    language_layers=[0, 1],
    hidden_channels=8,
    scale=0.1,
)
HEAD = dict(
    type='RECHead',
    embed_dims=32,
    num_layers=2,
    num_heads=4,
    feedforward_channels=64,
)

LOAD_IMAGE = dict(type='LoadRECImage')
LOAD_BOXES = dict(type='LoadAnnotations', with_bbox=True)
SIZE = CANVAS[::-1]
TRAIN_PIPELINE = [
    LOAD_IMAGE,
    LOAD_BOXES,
    dict(
        type='RandomChoiceResize',
        scales=[(72, 96), (96, 128)],
        resize_type='ResizeToFit',
    ),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[dict(type='ColorJitter', strength=0.4)],
    ),
    dict(type='RECRandomFlip', prob=0.5),
    dict(type='PadToCanvas', size=SIZE, position='random'),
    dict(type='PackRECInputs'),
]
TEST_PIPELINE = [
    LOAD_IMAGE,
    dict(type='ResizeToFit', scale=SIZE),
    dict(type='PadToCanvas', size=SIZE, position='center'),
    LOAD_BOXES,
    dict(type='PackRECInputs'),
]


def write_tokenizer(folder: Path) -> None:
    """Write a BERT tokenizer of a few words, as a folder that transformers loads."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / 'vocab.txt'
    vocabulary.write_text('\n'.join([*SPECIAL_TOKENS, *WORDS]) + '\n')
    BertTokenizer(str(vocabulary)).save_pretrained(folder)


def write_nano_config(folder: Path, data_root: Path, seed: int = 0) -> Path:
    """Write the weights of the towers and the config.

    Args:
        folder: Where to write.
        data_root: A little RefCOCO, see ``mini_refcoco``.
        seed: Seed of the towers' random weights.

    Returns:
        Path of the config: 3 epochs of 3 iterations of 4 expressions.
    """
    torch.manual_seed(seed)
    text_tower, vision_tower = folder / 'bert', folder / 'vision.pth'
    write_tokenizer(text_tower)
    arch = BertConfig(**LANGUAGE['arch'])
    BertModel(arch, add_pooling_layer=False).save_pretrained(text_tower)
    tower = MODELS.build(copy.deepcopy(VISION))
    tower.init_weights()
    torch.save(tower.state_dict(), vision_tower)

    vision = dict(VISION, weights=str(vision_tower))
    # its architecture is that of the folder
    language = dict(type='TransformersTower', weights=str(text_tower), max_tokens=8)
    model = dict(
        type='SideTunedGrounder',
        backbone=dict(BACKBONE, vision=vision, language=language),
        neck=NECK,
        bbox_head=dict(
            HEAD,
            dropout=0.1,
            loss_bbox=dict(type='L1Loss', loss_weight=5.0),
            loss_iou=dict(type='GIoULoss', loss_weight=2.0),
        ),
    )
    train_dataset = dict(
        type='ReferDataset',
        data_root=str(data_root),
        refs_file='refcoco/refs(unc).p',
        ann_file='refcoco/instances.json',
        data_prefix=dict(img='train2014/'),
        split='train',
        pipeline=TRAIN_PIPELINE,
    )
    val_dataset = dict(
        train_dataset, split='val', pipeline=TEST_PIPELINE, test_mode=True
    )
    train_dataloader, val_dataloader = (
        dict(
            batch_size=4,
            num_workers=0,
            dataset=dataset,
            sampler=dict(type='DefaultSampler', shuffle=dataset is train_dataset),
        )
        for dataset in (train_dataset, val_dataset)
    )
    config = dict(
        _base_=[
            f'{ROOT}/configs/_base_/schedules/schedule_90e.py',
            f'{ROOT}/configs/_base_/default_runtime.py',
        ],
        canvas=CANVAS,
        model=model,
        train_pipeline=TRAIN_PIPELINE,
        test_pipeline=TEST_PIPELINE,
        train_dataset=train_dataset,
        val_dataset=val_dataset,
        train_dataloader=train_dataloader,
        val_dataloader=val_dataloader,
        test_dataloader=val_dataloader,
        val_evaluator=dict(type='RECMetric'),
        test_evaluator=dict(type='RECMetric'),
        train_cfg=dict(max_epochs=3),
        param_scheduler=[
            dict(type='MultiStepLR', by_epoch=True, milestones=[1], gamma=0.5)
        ],
        optim_wrapper=dict(optimizer=dict(lr=1e-3)),
        default_hooks=dict(logger=dict(interval=1)),
        work_dir=str(folder / 'work'),
    )
    path = folder / 'nano.py'
    path.write_text(''.join(f'{key} = {value!r}\n' for key, value in config.items()))
    return path
