"""One box per expression, from several views of its image."""

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData


@MODELS.register_module()
class RECTTAModel(BaseTTAModel):
    """Test-time augmentation of a grounder: the mean of the views' boxes.

    mmdet's ``DetTTAModel`` pools the views' boxes and suppresses boxes by score. REC
    has one box per expression and no score, so all views have equal weight. The boxes
    of all views are in pixels of the original image, including those of mirrored views
    (``RECRandomFlip``, which also swaps left and right in the expressions).

    Args:
        kwargs: Arguments of MMEngine's ``BaseTTAModel``: ``module``, the grounder.
    """

    def merge_preds(self, data_samples_list: list[SampleList]) -> SampleList:
        """Merge the views of each image.

        Args:
            data_samples_list: For each image its views, which have
                ``pred_instances.bboxes`` (k, 4) xyxy in original-image pixels, and
                ``flip`` in their metainfo where they may be mirrored.

        Returns:
            For each image one of its unmirrored views, with the mean boxes.
        """
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: SampleList) -> DetDataSample:
        bboxes = torch.stack([view.pred_instances.bboxes for view in views])
        # a mirrored view has the words of the mirrored image
        merged = min(views, key=lambda view: view.get('flip', False)).new()
        merged.pred_instances = InstanceData(
            bboxes=bboxes.mean(dim=0), labels=merged.pred_instances.labels
        )
        return merged
