"""Settings of the CPU backend, one object: minicnn.fast.settings."""

from .. import backends
from . import threads


class Settings(backends.Settings):
    """What a user of this backend may change.

    threads    how many threads a layer may use; raises ValueError for more than there can be
    """

    @property
    def threads(self):
        return threads.count

    @threads.setter
    def threads(self, count):
        threads.use(count)


settings = Settings("fast")
