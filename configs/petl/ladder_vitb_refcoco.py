# Ladder Side-Tuning, Sung et al. 2022, arXiv 2206.06522: a narrow copy of each tower.
_base_ = '../m2ist/m2ist_vitb_refcoco.py'
model = dict(neck=dict(_delete_=True, type='LadderSideNetwork', reduction=8))
