"""Bounds on what a user of the page may send and what the server keeps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what a user of the page may send and what the server keeps.

    Attributes:
        upload_bytes: Bytes of an upload.
        pixels: Pixels of an image; one of more is not decoded.
        sentences: Sentences asked together.
        characters: Characters of a sentence.
        waiting: Requests that wait for the model.
        sessions: Users who are known; of more, those who asked last.
        images: Images kept per user.
        memory_bytes: Bytes of the kept images of all users, encoded and as previews; of
            more, those used last.
        idle_seconds: Time after the last question until an image is forgotten.
        upload_seconds: Age at which an upload is deleted.
        folder_bytes: Bytes of all uploads that are not deleted yet.
    """

    upload_bytes: int = 20 * 2**20
    pixels: int = 30_000_000
    sentences: int = 20
    characters: int = 200
    waiting: int = 32
    sessions: int = 64
    images: int = 4
    memory_bytes: int = 512 * 2**20
    idle_seconds: int = 1800
    upload_seconds: int = 40
    folder_bytes: int = 400 * 2**20

    def split_sentences(self, text: str) -> list[str]:
        """Split text into sentences, one per line; blank lines are left out.

        Raises:
            ValueError: There are none or too many, or one is too long.
        """
        sentences = [line.strip() for line in text.splitlines() if line.strip()]
        if not sentences:
            raise ValueError('Write a sentence that says what to look for.')
        if len(sentences) > self.sentences:
            raise ValueError(
                f'{len(sentences)} sentences, and at most {self.sentences} are taken: '
                'ask for the others afterwards.'
            )
        longest = max(sentences, key=len)
        if len(longest) > self.characters:
            raise ValueError(
                f'A sentence has {len(longest)} characters, and at most '
                f'{self.characters} are taken: {longest[:40]}...'
            )
        return sentences
