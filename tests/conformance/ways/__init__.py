"""Every way out that the suite knows: a module for each family. Importing this declares them."""

from __future__ import annotations

import importlib
import pkgutil

from tests.conformance.way import WAYS

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = ["WAYS"]
