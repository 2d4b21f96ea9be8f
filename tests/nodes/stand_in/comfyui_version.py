"""Stand-in for ComfyUI's version."""

__version__ = "0.18.0"
