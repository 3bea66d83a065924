"""The class that a part of a config names."""

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def registered_type(settings: Mapping[str, Any], registry: Registry) -> type | None:
    """Resolve the ``type`` of a part of a config.

    Args:
        settings: Part of a config, whose ``type`` is a class, as in lazy configs, or a
            name, with or without its scope (``'mmdet.RECMetric'``).
        registry: Where names are looked up.

    Returns:
        The class, or ``None`` where there is none of that name.
    """
    kind = settings.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind
