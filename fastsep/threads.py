"""How many threads calls use, what they run on, and compiling ahead."""

from fastsep._engine.bands import get_num_threads, set_num_threads
from fastsep._engine.config import show_config
from fastsep._engine.warmup import warmup

__all__ = ["get_num_threads", "set_num_threads", "show_config", "warmup"]


def __dir__() -> list[str]:
    return __all__
