"""Where arrays live: in main memory, as in reference/device.py."""

from ..reference.device import LOOK_EVERY, feed, memory, ready, to_device, to_host, wait

__all__ = ["LOOK_EVERY", "feed", "memory", "ready", "to_device", "to_host", "wait"]
