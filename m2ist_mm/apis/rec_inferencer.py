"""Inference on images and sentences: one box per expression."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mmcv
import mmengine
import numpy as np
import PIL.Image
import torch
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmdet.registry import MODELS, TRANSFORMS
from mmdet.structures import DetDataSample, SampleList
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from mmengine.visualization import Visualizer
from rich.progress import track
from torch import nn

from ..checkpoints import load_checkpoint
from ..checkpoints.tuned_state import fit_checkpoint
from ..config import iter_dataset_configs, load_config_file
from ..datasets import LoadRECImage
from ..datasets.image_reader import IMAGE_SUFFIXES, image_to_array, read_image
from ..models.heads import TokenFusion
from ..structures import Expressions, Features, Placement, TowerFeatures
from ..visualization import draw_attention, draw_attention_sheet, require_display
from .encoded_image import EncodedImage
from .model_index import DEFAULT_MODEL, find_config, find_weights
from .queries import check_drawable, queries_by_image

Image = str | Path | np.ndarray | PIL.Image.Image


class RECInferencer(BaseInferencer):
    """Inference API: one box per expression.

    All expressions of an image form one sample: the vision side runs once per image,
    and the boxes are those that each expression gets alone. Several threads may share
    an inferencer: they read images in parallel, and take turns at model and drawing.

    Args:
        model: Config, its file, or its name in the model index
            (``'m2ist_r50_refcoco'``); the small model that is shipped unless given.
        weights: Checkpoint file that was trained with it; that of the model index
            unless given. It is loaded as in a test: nothing in it can run code, and
            other towers than its own are refused.
        device: Where it runs; the GPU unless given, or the CPU where there is none.
        show_progress: Whether several images get a progress bar.
        cfg_options: Values by dotted keys that replace those of the config file.

    Raises:
        FileNotFoundError: Config, checkpoint or the weights of a tower are missing.
        ValueError: There is no checkpoint, it does not fit, the device is none, the
            config has no such keys, or ``cfg_options`` come with a ``Config``.
    """

    forward_kwargs = {'return_attention'}
    visualize_kwargs = {'return_vis', 'show', 'wait_time', 'no_save_vis'}
    postprocess_kwargs = {'return_datasamples', 'no_save_pred'}
    features_type = TowerFeatures  # of an encoded image

    def __init__(
        self,
        model: str | Path | Config = DEFAULT_MODEL,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = True,
        cfg_options: dict | None = None,
    ) -> None:
        init_default_scope('mmdet')
        if isinstance(model, str | Path):
            file = find_config(str(model))
            weights = find_weights(str(model)) if weights is None else weights
            model = load_config_file(file, cfg_options=cfg_options)
        elif cfg_options:
            raise ValueError(
                'cfg_options change a config file: change the Config itself'
            )
        self._number = 0  # of the images without a name
        # towers are tapped by hooks, and drawing has one canvas
        self._lock = threading.Lock()
        super().__init__(model, weights, device, 'mmdet', show_progress)

    def __call__(
        self,
        inputs: Image | Sequence[Image],
        texts: str | Sequence[str] | Sequence[Sequence[str]],
        batch_size: int = 1,
        out_dir: str | Path = '',
        skip_unreadable: bool = False,
        **kwargs,
    ) -> dict:
        """Find the referents.

        Args:
            inputs: An image, a folder of images, or several of both. An image is a
                file (its path or URL), a Pillow image or an array (H, W, 3), uint8,
                BGR.
            texts: The expressions: one, or several, asked of every image; or a list
                of lists, one for each image.
            batch_size: Images that go through the model together.
            out_dir: Folder for ``vis/NAME.jpg``, ``preds/NAME.json`` and, with
                ``return_attention``, ``attention/NAME_1.jpg``, ...; nothing is written
                unless it is given.
            skip_unreadable: Whether images that cannot be read are left out of the
                results and told in ``errors``, instead of ending the run.
            **kwargs: ``return_attention`` of :meth:`forward`, ``return_vis``, ``show``,
                ``wait_time`` and ``no_save_vis`` of :meth:`visualize`,
                ``return_datasamples`` and ``no_save_pred`` of :meth:`postprocess`.

        Returns:
            ``predictions``, for each image what :meth:`postprocess` says,
            ``visualization``, for each image what :meth:`visualize` says, and
            ``errors``, a line for each image that was left out.

        Raises:
            FileNotFoundError: An image is missing.
            ValueError: An image is broken, an expression is no text, empty or too
                long, there are too many or not as many lists of expressions as images,
                ``batch_size`` is no positive integer, there is no display to show
                images on, the model gives boxes that are not finite, or its attention
                is asked for and it has none.
        """
        _, forward_kwargs, visualize_kwargs, postprocess_kwargs = self._dispatch_kwargs(
            **kwargs
        )
        if visualize_kwargs.get('show'):
            require_display()
        if type(batch_size) is not int or batch_size < 1:
            raise ValueError(f'batch_size must be at least 1, got {batch_size!r}')
        images = self._inputs_to_list(inputs)
        queries = queries_by_image(texts, len(images))
        if _draws(out_dir, **visualize_kwargs):
            check_drawable(queries)
        errors = [] if skip_unreadable else None
        batches = self.preprocess(
            list(zip(images, queries, strict=True)), batch_size, errors
        )
        # two bars at once are none
        in_main_thread = threading.current_thread() is threading.main_thread()
        if self.show_progress and in_main_thread and len(images) > 1:
            total = -(-len(images) // batch_size)
            batches = track(batches, description='Inference', total=total)
        results = dict(predictions=[], visualization=[])
        written = set()
        for images, batch in batches:
            with self._lock:
                samples = self.forward(batch, **forward_kwargs)
                _check_boxes(samples)
                names = [self._name(sample, written) for sample in samples]
                results['visualization'] += self.visualize(
                    images, samples, names, out_dir=out_dir, **visualize_kwargs
                )
            results['predictions'] += self.postprocess(
                samples, names, out_dir=out_dir, **postprocess_kwargs
            )
        return dict(results, errors=errors or [])

    @torch.no_grad()
    def encode_image(self, image: Image) -> EncodedImage:
        """Encode an image once, to ask it many times: :meth:`ground`.

        Args:
            image: A file, a Pillow image or an array (H, W, 3), uint8, BGR.

        Raises:
            FileNotFoundError: The image is missing.
            ValueError: The image is broken, is a folder, or is of another type.
        """
        _, packed = self._prepare(_checked(image), [])
        with self._lock:
            return self._encode(packed)

    @torch.no_grad()
    def ground(
        self,
        image: EncodedImage,
        texts: str | Sequence[str],
        return_attention: bool = False,
    ) -> dict:
        """Find the referents in an image that is encoded already.

        Args:
            image: Output of :meth:`encode_image`.
            texts: An expression or several.
            return_attention: See :meth:`forward`.

        Returns:
            What :meth:`postprocess` says: the prediction that a call with the image
            and these expressions gives.

        Raises:
            ValueError: As in a call; or the image is not encoded, or by an inferencer
                of another kind.
        """
        if not (
            isinstance(image, EncodedImage)
            and isinstance(image.features, self.features_type)
        ):
            raise ValueError(
                'ground asks an image that encode_image of the same inferencer gave, '
                f'not {_kind(image)}'
            )
        (texts,) = queries_by_image(texts, 1)
        sample = image.sample.clone()
        sample.set_metainfo(dict(text=self._as_in_dataset(texts)))
        with self._lock:
            samples = self._ground(image, sample, return_attention)
        _check_boxes(samples)
        return self.postprocess(samples, [''])[0]

    @torch.no_grad()
    def forward(self, inputs: dict, return_attention: bool = False) -> SampleList:
        """Run the model on a batch.

        Args:
            inputs: What :meth:`preprocess` yields.
            return_attention: Whether ``pred_instances`` get ``attention``: what the REG
                token attends to, (k, layers, heads, h, w) over the vision grid. It is
                computed beside the prediction, which stays the same.

        Raises:
            ValueError: The attention is asked for, and the model's head has none.
        """
        return self._predict(lambda: self.model.test_step(inputs), return_attention)

    def _encode(self, packed: dict) -> EncodedImage:
        """Run the vision side on a prepared image."""
        data = self.model.data_preprocessor(self.collate_fn([packed]))
        inputs = data['inputs']
        features = self.model.encode_image(inputs['images'], inputs['padding_mask'])
        return EncodedImage(features, data['data_samples'][0])

    def _ground(
        self, image: EncodedImage, sample: DetDataSample, return_attention: bool
    ) -> SampleList:
        """Run what follows the vision side on the expressions of a sample."""
        inputs = self.model.data_preprocessor.tokenize([sample])
        text = self.model.encode_text(inputs['input_ids'], inputs['attention_mask'])
        features = Features(image.features, text, inputs['image_index'])

        def predict() -> SampleList:
            (sample.pred_instances,) = self.model.bbox_head.predict(
                features.without_padding(), [sample]
            )
            return [sample]

        return self._predict(predict, return_attention)

    def _predict(
        self, predict: Callable[[], SampleList], return_attention: bool
    ) -> SampleList:
        """Predict, and record the attention meanwhile if it is asked for."""
        if not return_attention:
            return predict()
        head = getattr(self.model, 'bbox_head', None)
        if not isinstance(head, TokenFusion):
            raise ValueError(
                f'return_attention: {type(head).__name__} has no target token that '
                'attends to the image; RECHead has'
            )
        with head.recording_attention() as recorded:
            samples = predict()
        counts = [len(Expressions.of(sample)) for sample in samples]
        (attention,) = recorded
        for sample, own in zip(samples, attention[:, 0].split(counts), strict=True):
            sample.pred_instances.attention = own
        return samples

    def preprocess(
        self,
        inputs: list[tuple[Image, list[str]]],
        batch_size: int = 1,
        errors: list[str] | None = None,
    ) -> Iterator[tuple[list[np.ndarray], dict]]:
        """Load images and run the test pipeline on them.

        Args:
            inputs: Images with their expressions.
            batch_size: Images of a batch.
            errors: Gets a line for each image that cannot be read, which is left out;
                without it such an image raises.

        Yields:
            The images of a batch (H, W, 3), uint8, BGR, and what the model's
            ``test_step`` takes.
        """
        prepared = self._prepare_all(inputs, errors)
        for chunk in self._get_chunk_data(prepared, batch_size):
            images, packed = zip(*chunk, strict=True)
            yield list(images), self.collate_fn(packed)

    def visualize(
        self,
        inputs: list[np.ndarray],
        preds: SampleList,
        names: list[str],
        return_vis: bool = False,
        show: bool = False,
        wait_time: float = 0,
        no_save_vis: bool = False,
        out_dir: str | Path = '',
    ) -> list[np.ndarray]:
        """Draw expressions and boxes.

        Args:
            inputs: Images (H, W, 3), uint8, BGR.
            preds: The predictions.
            names: What each is called in its file's name.
            return_vis: Whether the drawn images are returned.
            show: Whether they are shown in a window.
            wait_time: Seconds that it stays; 0 = until a key is pressed.
            no_save_vis: Whether ``out_dir`` gets no images.
            out_dir: Folder for ``vis/NAME.jpg`` and, where the predictions have
                ``attention``, ``attention/NAME_1.jpg`` (mean over the heads of the last
                layer, for the first expression) and ``attention/NAME_1_heads.jpg`` (all
                layers and heads), ...; empty is none.

        Returns:
            The drawn images (H', W', 3), uint8, RGB, if asked for.
        """
        drawn = []
        saved = out_dir and not no_save_vis
        if not _draws(out_dir, return_vis, show, no_save_vis=no_save_vis):
            return drawn
        for image, sample, name in zip(inputs, preds, names, strict=True):
            self.visualizer.add_datasample(
                name,
                image[..., ::-1],
                sample,
                draw_gt=False,
                show=show,
                wait_time=wait_time,
                out_file=str(Path(out_dir, 'vis', f'{name}.jpg')) if saved else None,
            )
            if return_vis:
                drawn.append(self.visualizer.get_image())
            if saved and 'attention' in sample.pred_instances:
                self._write_attention(image[..., ::-1], sample, name, out_dir)
        return drawn

    def _write_attention(
        self, image: np.ndarray, sample: DetDataSample, name: str, out_dir: str | Path
    ) -> None:
        """Write what the REG token attends to, for each expression of an image."""
        placement, texts = Placement.of(sample), Expressions.of(sample).texts
        for index, text in enumerate(texts):
            instance = sample.pred_instances[index]
            attention = instance.attention[0].cpu().numpy()
            instance.labels = torch.zeros_like(instance.labels)
            path = str(Path(out_dir, 'attention', f'{name}_{index + 1}'))
            self.visualizer.add_datasample(
                name,
                draw_attention(image, attention[-1].mean(0), placement),
                DetDataSample(metainfo=dict(text=text), pred_instances=instance),
                out_file=f'{path}.jpg',
            )
            sheet = draw_attention_sheet(image, attention, placement)
            mmcv.imwrite(sheet[..., ::-1], f'{path}_heads.jpg')

    def postprocess(
        self,
        preds: SampleList,
        names: list[str],
        return_datasamples: bool = False,
        no_save_pred: bool = False,
        out_dir: str | Path = '',
    ) -> list[dict] | SampleList:
        """Turn predictions into what can be written as JSON, and write it.

        Args:
            preds: The predictions.
            names: What each is called in its file's name.
            return_datasamples: Whether the predictions are returned as data samples.
            no_save_pred: Whether ``out_dir`` gets none.
            out_dir: Folder for ``preds/NAME.json``; empty is none.

        Returns:
            For each image ``img_path`` (``None`` of an array) and, in the order of
            its expressions, ``text`` (as the model got it), ``bboxes`` (k, 4) ``xyxy``
            in pixels of the image, and ``truncated``: whether the expression was
            longer than what the model reads. Where the predictions have it, also
            ``attention`` (k, layers, heads, h, w), float32, over the vision grid,
            and ``placement``, where the image lies on it; neither is written.
        """
        results = [_as_dict(sample) for sample in preds]
        if out_dir and not no_save_pred:
            for result, name in zip(results, names, strict=True):
                mmengine.dump(result, str(Path(out_dir, 'preds', f'{name}.json')))
        for result, sample in zip(results, preds, strict=True):
            if 'attention' in sample.pred_instances:
                result['attention'] = sample.pred_instances.attention.cpu().numpy()
                result['placement'] = Placement.of(sample)
        return preds if return_datasamples else results

    def _inputs_to_list(self, inputs: Image | Sequence[Image]) -> list[Image]:
        """List the images; folders are replaced by the images in them."""
        if not isinstance(inputs, list | tuple):
            inputs = [inputs]
        images = []
        for one in map(_checked, inputs):
            if isinstance(one, str) and Path(one).is_dir():
                found = sorted(
                    str(path)
                    for path in Path(one).iterdir()
                    if path.suffix.lower() in IMAGE_SUFFIXES
                    and not path.name.startswith('.')
                )
                if not found:
                    endings = ', '.join(IMAGE_SUFFIXES)
                    raise ValueError(f'no image in the folder {one} ({endings})')
                images += found
            else:
                images.append(one)
        return images

    def _prepare_all(
        self, inputs: list[tuple[Image, list[str]]], errors: list[str] | None
    ) -> Iterator[tuple[np.ndarray, dict]]:
        for image, texts in inputs:
            try:
                prepared = self._prepare(image, texts)
            except (OSError, ValueError) as error:
                if errors is None:
                    raise
                errors.append(str(error))
            else:
                yield prepared

    def _prepare(self, image: Image, texts: list[str]) -> tuple[np.ndarray, dict]:
        path, name = None, 'the image'
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
                raise ValueError(
                    'an image as an array must be (H, W, 3) uint8 BGR, got '
                    f'{image.shape} {image.dtype}'
                )
        elif isinstance(image, PIL.Image.Image):
            image = image_to_array(image)
        else:
            path = name = image
            image = read_image(path, self._backend_args)
        shape = image.shape[:2]
        results = dict(
            img=image,
            img_path=path,
            img_shape=shape,
            ori_shape=shape,
            text=self._as_in_dataset(texts),
        )
        try:
            return image, self.pipeline(results)
        except Exception as error:
            kind = '' if type(error) is ValueError else f'{type(error).__name__}: '
            raise ValueError(
                f'{name} ({shape[1]}x{shape[0]} pixels) cannot be prepared: '
                f'{kind}{error}'
            ) from error

    def _as_in_dataset(self, texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(text.lower() if self.lowercase else text for text in texts)

    def _name(self, sample: DetDataSample, written: set[str]) -> str:
        """Name of an image's files, other than those ``written`` in this call."""
        if sample.img_path is None:
            stem = f'{self._number:08d}'
            self._number += 1
        else:
            stem = Path(sample.img_path).stem
        name, number = stem, 1
        while name in written:
            name, number = f'{stem}_{number}', number + 1
        written.add(name)
        return name

    def _init_model(
        self, cfg: Config, weights: str | Path, device: str = 'cpu'
    ) -> nn.Module:
        """Build the model, and load the checkpoint as a test does.

        Raises:
            ValueError: There is no checkpoint, it does not fit the model, or the device
                is none.
        """
        if weights is None:
            raise ValueError('weights: the checkpoint of a trained model is needed')
        checkpoint = load_checkpoint(weights)
        model = MODELS.build(cfg.model)
        model.cfg = cfg  # mmdet's functions look for it here
        fit_checkpoint(model, checkpoint)
        load_state_dict(model, checkpoint['state_dict'], strict=False)
        try:
            model.to(device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition('\n')[0]
            raise ValueError(f'device {device!r} cannot be used: {reason}') from error
        return model.eval()

    def _init_pipeline(self, cfg: Config) -> Compose:
        """Build what follows the loading of an image in the test pipeline."""
        sets = [
            dataset for loader, dataset in iter_dataset_configs(cfg) if loader == 'test'
        ]
        if not sets:
            raise ValueError('the config has no test_dataloader with a pipeline')
        self.lowercase = sets[0].get('lowercase', True)
        # built here, so that a type may be a name, a name with scope, or a class
        load, *steps = map(TRANSFORMS.build, sets[0].pipeline)
        if not isinstance(load, LoadRECImage | LoadImageFromFile):
            raise ValueError(
                'the test pipeline must begin with LoadRECImage, not with '
                f'{type(load).__name__}'
            )
        self._backend_args = load.backend_args
        return Compose(
            [step for step in steps if not isinstance(step, LoadAnnotations)]
        )

    def _init_collate(self, cfg: Config) -> Callable[[Sequence[dict]], dict]:
        """What makes lists of a batch, as the model takes them.

        MMEngine's own method looks for it in mmdet's registry of functions, and warns
        that there is none.
        """
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> Visualizer:
        """Build the visualizer without the backends of a training's log."""
        visualizer = dict(type='RECVisualizer') | (cfg.get('visualizer') or {})
        visualizer = {k: v for k, v in visualizer.items() if k != 'vis_backends'}
        return super()._init_visualizer(ConfigDict(visualizer=visualizer))


def _checked(image: object) -> str | np.ndarray | PIL.Image.Image:
    """An image or folder, paths as text."""
    if not isinstance(image, Image):
        raise ValueError(
            'an image is a file, a folder, a Pillow image or an array (H, W, 3) uint8 '
            f'BGR, not {type(image).__name__}'
        )
    if isinstance(image, Path):
        return str(image)
    if isinstance(image, str):
        if not image.strip():
            raise ValueError('an image is empty text: give a path')
        if image.startswith('file://'):
            return _path_of_url(image)
    return image


def _path_of_url(url: str) -> str:
    """The path in a URL that begins with ``file://``."""
    parts = urlsplit(url)
    if parts.netloc not in ('', 'localhost') or not parts.path:
        raise ValueError(
            f'{url} names no file of this machine: give its path, or a URL with three '
            'slashes, file:///folder/image.jpg'
        )
    return url2pathname(parts.path)


def _kind(image: object) -> str:
    """What was given instead of an encoded image."""
    if isinstance(image, EncodedImage):
        return 'one of another kind of inferencer'
    return type(image).__name__


def _draws(
    out_dir: str | Path,
    return_vis: bool = False,
    show: bool = False,
    wait_time: float = 0,
    no_save_vis: bool = False,
) -> bool:
    """Whether images are drawn, by the arguments of ``visualize``."""
    return bool(return_vis or show or (out_dir and not no_save_vis))


def _check_boxes(samples: SampleList) -> None:
    for sample in samples:
        if not sample.pred_instances.bboxes.isfinite().all():
            raise ValueError(
                f'{sample.img_path or "the image"}: the model gives a box that is not '
                'finite; its weights are damaged, or it was trained until it diverged'
            )


def _as_dict(sample: DetDataSample) -> dict:
    expressions = Expressions.of(sample)
    return dict(
        img_path=sample.img_path,
        text=list(expressions.texts),
        bboxes=sample.pred_instances.bboxes.tolist(),
        truncated=list(expressions.truncated),
    )
