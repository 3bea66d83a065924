"""Inference with an exported model: one box per expression."""

from pathlib import Path

import torch
from mmdet.structures import DetDataSample, SampleList
from mmengine.config import Config
from mmengine.structures import InstanceData

from ..standalone import predict
from ..standalone.predict import Placed, Predictor
from .encoded_image import EncodedImage
from .rec_inferencer import RECInferencer


class ONNXInferencer(RECInferencer):
    """:class:`RECInferencer` with a model that ``tools/export_onnx.py`` wrote.

    It is called in the same way and gives the same predictions. The model is run by the
    code of the folder's ``predict.py``, which is part of this package; nothing in the
    folder is run as a program.

    Args:
        folder: The exported folder.
        threads: Number of threads of onnxruntime; all cores unless given.
        show_progress: Whether several images get a progress bar.

    Raises:
        FileNotFoundError: There is no exported model in the folder.
        ImportError: onnxruntime is not installed.
        ValueError: The exported model is damaged, or of another format.

    Examples:
        >>> inferencer = ONNXInferencer('exported')  # doctest: +SKIP
        >>> inferencer('dogs.jpg', ['the left dog'])['predictions']  # doctest: +SKIP
    """

    features_type = predict.EncodedImage

    def __init__(
        self,
        folder: str | Path,
        threads: int | None = None,
        show_progress: bool = True,
    ) -> None:
        self._threads = threads
        super().__init__(Config(), folder, 'cpu', show_progress)

    def forward(self, inputs: dict, return_attention: bool = False) -> SampleList:
        """Run the model on a batch, image by image."""
        samples = []
        for placed, sample in zip(
            inputs['inputs'], inputs['data_samples'], strict=True
        ):
            image = self._encode(dict(inputs=placed, data_samples=sample))
            samples += self._ground(image, sample, return_attention)
        return samples

    def _encode(self, packed: dict) -> EncodedImage:
        """Run the image side."""
        features = self.model.encode_placed(packed['inputs'])
        return EncodedImage(features, packed['data_samples'])

    def _ground(
        self, image: EncodedImage, sample: DetDataSample, return_attention: bool
    ) -> SampleList:
        """Run the text side."""
        if return_attention:
            raise ValueError('return_attention: an exported model gives boxes alone')
        boxes, truncated = self.model.ask(image.features, sample.text)
        sample.set_metainfo(dict(truncated=tuple(truncated)))
        sample.pred_instances = InstanceData(
            bboxes=torch.from_numpy(image.features.placed.to_image(boxes)),
            labels=torch.arange(len(boxes)),
        )
        return [sample]

    def _init_model(
        self, cfg: Config, weights: str | Path, device: str = 'cpu'
    ) -> Predictor:
        """Open the graphs in the folder."""
        return Predictor(weights, self._threads)

    def _init_pipeline(self, cfg: Config):
        """Build what places an image on the canvas."""
        self.lowercase = self.model.contract['lowercase']
        self._backend_args = None
        return self._place

    def _place(self, results: dict) -> dict[str, Placed | DetDataSample]:
        """Place an image, as the steps of a test pipeline do."""
        placed = self.model.place(results['img'][..., ::-1])
        meta = dict(
            img_path=results['img_path'],
            ori_shape=results['ori_shape'],
            text=tuple(results['text']),
        )
        return dict(inputs=placed, data_samples=DetDataSample(metainfo=meta))
