"""Stand-in for the parts of ComfyUI that the nodes use; no code of ComfyUI's."""
