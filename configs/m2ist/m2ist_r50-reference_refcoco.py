# The side networks as the public reference code computes them: each language output
# passes the frozen LayerNorm of the sublayer that it taps. Takes the checkpoints that
# tools/model_converters/transvg_to_m2ist.py makes of the reference's.
_base_ = './m2ist_r50_refcoco.py'
model = dict(neck=dict(side_norm='tower', init='uniform'))
