"""Where arrays live: in main memory, as in reference/device.py."""

from ..reference.device import (
    LOOK_EVERY,
    capacity,
    collect,
    deliver,
    described,
    feed,
    memory,
    ready,
    to_device,
    to_host,
    wait,
)

__all__ = [
    "LOOK_EVERY", "capacity", "collect", "deliver", "described", "feed", "memory", "ready",
    "to_device", "to_host", "wait",
]  # fmt: skip
