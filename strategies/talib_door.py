"""The one door to TA-Lib: its array functions, without the data frame libraries it would load."""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Final

from candela.errors import ConfigError

__all__ = ["TalibMissing", "talib"]

# TA-Lib's extension imports these where they are installed, only to accept their series; that
# takes over a second, and arrays are all that is given to it here.
_DECLINED: Final = ("pandas", "polars")


class TalibMissing(ConfigError):
    """The TA-Lib wheel is not installed, or has no compiled module."""

    code = "talib_missing"


@cache
def talib() -> ModuleType:
    """Return TA-Lib's compiled module: functions of float64 arrays, NaN while warming up."""
    package = find_spec("talib")
    folders = [] if package is None else list(package.submodule_search_locations or [])
    for folder in folders:
        for suffix in EXTENSION_SUFFIXES:
            path = Path(folder) / f"_ta_lib{suffix}"
            if path.is_file():
                return _load(path)
    message = "TA-Lib is not installed with its compiled module."
    raise TalibMissing(message, "Install the locked packages again: make.")


def _load(path: Path) -> ModuleType:
    loader = ExtensionFileLoader("_ta_lib", str(path))
    spec = spec_from_loader("_ta_lib", loader)
    if spec is None:  # pragma: no cover - a file loader always yields a spec
        message = f"{path.name} cannot be loaded."
        raise TalibMissing(message, "Install the locked packages again: make.")
    module = module_from_spec(spec)
    absent = [name for name in _DECLINED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType] - Python's way to say no
    try:
        loader.exec_module(module)
    finally:
        for name in absent:
            del sys.modules[name]
    module._ta_initialize()  # noqa: SLF001 - what the package does when it is imported whole
    return module
