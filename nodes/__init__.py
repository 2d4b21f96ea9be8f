"""The ComfyUI side: nodes, what travels between them, and how they use memory; ``extension`` is the way in."""
