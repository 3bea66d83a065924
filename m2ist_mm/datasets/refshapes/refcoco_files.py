"""The layout of RefCOCO on disk."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np

from .recipe import VERSION
from .scene import Scene
from .shape import Shape
from .vocabulary import COMBINATIONS, SHAPE_KINDS

# color at full resolution, so that it survives
JPEG_OPTIONS = (
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)


class RefCOCOFiles:
    """The layout of RefCOCO on disk.

    Images are written at once, the annotations of all of them by ``write_texts``. Two
    keys are added to RefCOCO's: ``kind`` of a sentence and ``texture`` of an
    annotation. Detection files pre-train vision towers.

    Args:
        root (Path): Folder to make.
    """

    def __init__(self, root: Path) -> None:
        self._images_dir = root / 'train2014'
        self._texts_dir = root / 'refshapes'
        for folder in (self._images_dir, self._texts_dir):
            folder.mkdir(parents=True)
        self._images, self._annotations, self._refs = [], [], []
        self._shapes: list[Shape] = []  # of the annotations
        self._num_sentences = 0

    def add(
        self,
        split: str,
        scene: Scene,
        image: np.ndarray,
        sentences: dict[Shape, list[tuple[str, str]]],
    ) -> None:
        """Write an image and note what is in it.

        Args:
            split: Name of the split.
            scene: The scene.
            image: Its image (h, w, 3) RGB, uint8.
            sentences: Kind and text of the expressions per referent.
        """
        image_id = len(self._images) + 1
        stem = f'COCO_train2014_{image_id:012d}'
        name, size = f'{stem}.jpg', scene.size
        _, jpeg = cv2.imencode('.jpg', image[..., ::-1], JPEG_OPTIONS)
        (self._images_dir / name).write_bytes(jpeg)
        self._images.append(
            dict(id=image_id, file_name=name, height=size, width=size, license=1)
        )
        for shape in scene.shapes:
            self._add_annotation(shape, image_id)
            if sentences.get(shape):
                self._add_ref(split, stem, sentences[shape])

    def _add_annotation(self, shape: Shape, image_id: int) -> None:
        x, y, w, h = shape.box
        self._shapes.append(shape)
        self._annotations.append(
            dict(
                id=len(self._annotations) + 1,
                image_id=image_id,
                category_id=COMBINATIONS.index((shape.kind, shape.color)) + 1,
                bbox=[x, y, w, h],
                area=w * h,
                iscrowd=0,
                # the box, as polygon
                segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                texture=shape.texture,
            )
        )

    def _add_ref(self, split: str, stem: str, written: list[tuple[str, str]]) -> None:
        """Note the expressions of the shape that was annotated last."""
        annotation = self._annotations[-1]
        sentences = [
            dict(tokens=text.split(), raw=text, sent_id=sent_id, sent=text, kind=kind)
            for sent_id, (kind, text) in enumerate(written, self._num_sentences)
        ]
        self._num_sentences += len(sentences)
        self._refs.append(
            dict(
                sent_ids=[sentence['sent_id'] for sentence in sentences],
                file_name=f'{stem}_{annotation["id"]}.jpg',
                ann_id=annotation['id'],
                ref_id=len(self._refs),
                image_id=annotation['image_id'],
                split=split,
                sentences=sentences,
                category_id=annotation['category_id'],
            )
        )

    def write_texts(self) -> None:
        """Write referents and annotations."""
        instances = dict(
            info=dict(description='RefShapes', version=str(VERSION)),
            licenses=[dict(id=1, name='as the program that drew it', url='')],
            images=self._images,
            annotations=self._annotations,
            categories=[
                dict(id=i, name=f'{color} {kind}', supercategory=kind)
                for i, (kind, color) in enumerate(COMBINATIONS, start=1)
            ],
        )
        self._write_json('instances', instances)
        for split in ('train', 'val'):
            self._write_json(f'detection_{split}', self._as_detection(split, instances))
        with open(self._texts_dir / 'refs(unc).p', 'wb') as file:
            # Without memo the bytes depend on the values alone, not on which equal
            # strings happen to be one object.
            pickler = pickle.Pickler(file, protocol=2)
            pickler.fast = True
            pickler.dump(self._refs)

    def _write_json(self, name: str, content: dict) -> None:
        (self._texts_dir / f'{name}.json').write_text(json.dumps(content))

    def _as_detection(self, split: str, instances: dict) -> dict:
        """Take the scenes of one split for a detector."""
        of_split = {ref['image_id'] for ref in self._refs if ref['split'] == split}
        ids = {kind: i for i, kind in enumerate(SHAPE_KINDS, start=1)}
        annotations = [
            dict(row, category_id=ids[shape.kind])
            for row, shape in zip(self._annotations, self._shapes, strict=True)
            if row['image_id'] in of_split
        ]
        return dict(
            instances,
            images=[image for image in self._images if image['id'] in of_split],
            annotations=annotations,
            categories=[dict(id=i, name=name) for name, i in ids.items()],
        )
