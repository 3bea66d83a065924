"""One user of the page."""

import secrets
from dataclasses import dataclass, field


@dataclass
class Answer:
    """Boxes of the sentences that were asked of an image together.

    Attributes:
        sentences: The k sentences.
        bboxes: (k, 4) ``xyxy`` in pixels of the image.
        truncated: Whether each sentence was longer than what the model reads.
        seconds: Time of all sentences.
    """

    sentences: list[str]
    bboxes: list[list[float]]
    truncated: list[bool]
    seconds: float


@dataclass
class Session:
    """One user; small, as the images are in the :class:`.ImageMemory`.

    Attributes:
        image: Key of the image that is asked.
        answer: What was answered about it.
        user: A secret that names the user.
    """

    image: str | None = None
    answer: Answer | None = None
    user: str = field(default_factory=secrets.token_hex)
