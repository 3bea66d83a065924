"""Walks through configs, and tells what a part of one is."""

from collections.abc import Iterator

from mmengine import Config


def iter_parts(node: object) -> Iterator[dict | list]:
    """All dicts and lists in a part of a config, the outer ones first."""
    if isinstance(node, Config):
        node = node._cfg_dict
    if isinstance(node, dict | list):
        yield node
    if isinstance(node, dict | list | tuple):
        for child in node.values() if isinstance(node, dict) else node:
            yield from iter_parts(child)


def iter_dicts(node: object) -> Iterator[dict]:
    """All dicts in a part of a config, such as the transforms of a pipeline."""
    return (part for part in iter_parts(node) if isinstance(part, dict))


def is_type(part: dict, name: str) -> bool:
    """Whether the ``type`` of a part is a class, or its name, with or without scope."""
    kind = part.get('type')
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2] == name
