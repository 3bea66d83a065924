# The ViT-L model in shards, by MMEngine's FSDP strategy: docs/composition.md
_base_ = './m2ist_vitl_refcoco.py'
runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(
        type='MMFullyShardedDataParallel',
        # A unit a tower layer (12.6 M parameters). RECHead (8.8 M) must stay in the
        # root: a unit of its own is gathered by its forward(), not by its ground().
        auto_wrap_policy=dict(
            type='torch.distributed.fsdp.wrap.size_based_auto_wrap_policy',
            min_num_params=12_000_000,
        ),
    ),
    # one file with the tuned weights, as without FSDP
    state_dict_cfg='full',
)
