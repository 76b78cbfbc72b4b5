"""Where arrays live: on the CPU there is one place, see reference/device.py."""

from ..reference.device import to_device, to_host

__all__ = ["to_device", "to_host"]
