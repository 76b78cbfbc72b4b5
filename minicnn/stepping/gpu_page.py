"""The steps of a CUDA kernel as a self-contained piece of HTML; gpu.js and gpu.css draw it.

It is embedded as page.py embeds its own, and gpu_steps.py describes the data.
"""

from . import gpu_terminal
from .page import embedded

SCRIPTS = ["arrays.js", "frame.js", "gpu.js", "steps.js"]


def steps_html(data):
    """Return the HTML of the data of GpuSteps."""
    text = gpu_terminal.text(data, most=12)
    return embedded(dict(data), text, ["page.css", "gpu.css"], SCRIPTS)
