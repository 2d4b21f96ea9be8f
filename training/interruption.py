"""A run that is asked to stop saves first."""

import signal


class Interruption:
    """Notices SIGTERM and SIGINT while it is open, so that the run can save and end."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __enter__(self) -> "Interruption":
        self.asked = False
        self._before = [signal.signal(number, self._ask) for number in self.SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(self.SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        self.asked = True
