"""Lets the portal load GDCM once an image needs it, and not when it starts.

Files are checked in other processes, and most images that the portal shows are decoded by Pillow or
not compressed. But pydicom loads GDCM when it is imported itself: 18 MB, and a part of the start.
"""

import sys
import threading
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_loading = threading.RLock()


class _Version:
    """What pydicom asks of GDCM when it is imported: its version …"""

    @staticmethod
    def GetVersion() -> str:
        return version("python-gdcm")


class _DataElement:
    """… and whether it decodes what is in memory."""

    def SetByteStringValue(self) -> None:
        raise NotImplementedError


class _LaterModule(ModuleType):
    """A module that is executed once it is asked for something that it does not have yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by `import` and by debuggers
            raise AttributeError(name)
        with _loading:
            if not self.__dict__.get("_is_loaded") and self.__spec__ and self.__spec__.loader:
                # Replaces what stands in for it, too.
                self.__spec__.loader.exec_module(self)
                self.__dict__["_is_loaded"] = True
        if name not in self.__dict__:
            raise AttributeError(name)
        return self.__dict__[name]


def load_gdcm_once_needed() -> None:
    """Make `import gdcm` cheap; call it before anything imports pydicom."""
    spec = find_spec("gdcm")
    if spec is None or "gdcm" in sys.modules:
        return
    module = module_from_spec(spec)
    module.__class__ = _LaterModule
    module.__dict__.update(Version=_Version, DataElement=_DataElement)
    sys.modules["gdcm"] = module
