"""Stand-in for ComfyUI's progress bar; ``reported`` has every (value, total) of all bars."""

reported: list[tuple[int, int]] = []


class ProgressBar:
    def __init__(self, total, node_id=None):
        self.total = total
        self.current = 0

    def update_absolute(self, value, total=None, preview=None):
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        reported.append((self.current, self.total))

    def update(self, value):
        self.update_absolute(self.current + value)
