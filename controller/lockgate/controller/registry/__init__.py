"""The registry of protected keys: in the settings' files and in the store."""

from lockgate.controller.registry.protected import ProtectedKeys, load

__all__ = ["ProtectedKeys", "load"]
