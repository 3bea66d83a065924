"""The option ``--cfg-options``."""

import argparse
from collections.abc import Sequence

from mmengine.config import DictAction


class ConfigOptions(DictAction):
    """``KEY=VALUE ...``, with errors that name the one that is wrong.

    MMEngine's own takes an empty key, and ends in a traceback where there is no ``=``
    or the brackets do not match.
    """

    def __init__(self, *args, nargs='+', metavar='KEY=VALUE', **kwargs) -> None:
        super().__init__(*args, nargs=nargs, metavar=metavar, **kwargs)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Read the settings; the parser ends the program where one is wrong."""
        for setting in values:
            key, equals, _ = setting.partition('=')
            if not equals or not all(part.strip() for part in key.split('.')):
                parser.error(f'--cfg-options {setting}: write it as KEY=VALUE')
            if key.partition('.')[0] == 'custom_imports':
                parser.error(
                    f'--cfg-options {setting}: modules are imported when the config '
                    'is read, so custom_imports must stand in its file'
                )
            try:
                super().__call__(parser, namespace, [setting], option_string)
            except (AssertionError, ValueError) as error:
                parser.error(
                    f'--cfg-options {setting}: {error}; write lists as key="[a,b]"'
                )
