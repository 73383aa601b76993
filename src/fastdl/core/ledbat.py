"""What `-r auto` decides: how much may be under way, so that others on the same line do not feel it.

After LEDBAT (RFC 6817), which is made for senders; a receiver has its window instead (how much a server may send before
more is read). The sum of all connections' windows is steered by the queueing delay: the round-trip time above the
lowest one of the last minutes. Pure: the caller measures, and keeps to what is decided.
"""

from __future__ import annotations

from fastdl.core.plain import dataclass

HISTORY = 10  # minutes whose lowest round-trip times are remembered (RFC 6817, section 4.2: BASE_HISTORY)
STARTING_RATE = 1024 * 1024.0  # bytes a second
SOON = 0.2  # seconds between samples while the window grows fast
USUAL = 0.5  # seconds between samples afterwards
FAST = 1.5  # growth of a sample while there is no sign of a queue yet: the last one may overshoot by so much
GAIN = 0.5  # part of the way to the target that one sample's growth may lead
POLITE = 0.1  # the same, after others were met on the line
CALM = 4  # samples in a row without a queue after which the line is taken for free
FREE = 12  # the same, after others were met
CUT = 0.5


@dataclass(slots=True)
class DelayLimit:
    """Gives `window`, bytes under way of all connections together, and `rate`, bytes a second that fit it.

    Below the target the window grows, by no more than would lead to the target if it met a full line. Above the target
    it becomes what the line was seen to carry without a queue. A queue that stays nevertheless is somebody else's, and
    the window is halved with each sample until it is gone."""

    rate: float = STARTING_RATE
    target: float = 0.012  # seconds of queue. RFC 6817 (2.4.2) allows 0.1, but many queues are full before that
    floor: float = 16 * 1024  # bytes a second
    window: float = 0.0
    starting: bool = True  # grows fast until the first sign of a queue
    delay: float = 0.0  # seconds of queue at the last sample
    _bases: tuple[float, ...] = ()
    _minute: float = 0.0
    _calm: int = 0  # samples in a row with hardly any queue
    _hints: int = 0  # samples in a row with a sign of a queue, while it grows fast
    _yielding: int = 0  # samples in a row with too much of it
    _pressed: int = 0  # samples at which a cut had not helped
    _met: bool = False  # somebody else filled the line, and it was not free since

    @property
    def interval(self) -> float:
        """Seconds until the next sample."""
        return SOON if self.starting else USUAL

    def heard(self, rtt: float, now: float) -> None:
        """A connection took `rtt` seconds to open; the first one gives the window to begin with."""
        if not self._bases or now - self._minute >= 60:
            self._bases = (*self._bases[1 - HISTORY :], rtt)
            self._minute = now
        else:
            self._bases = (*self._bases[:-1], min(self._bases[-1], rtt))
        self.window = self.window or self.rate * (rtt + self.target)

    def doubtful(self, rtt: float) -> bool:
        """Whether to measure once more and take the lower value: a single long round trip may be chance. One that is
        longer by a second is none: the packet was lost and sent again."""
        return bool(self._bases) and self.target < rtt - min(self._bases) < 0.9

    def sample(self, rtt: float, achieved: float, now: float) -> float:
        """Take a round-trip time (seconds) and the bytes a second that went through; returns the new rate."""
        self.heard(rtt, now)
        base = min(self._bases)
        before, self.delay = self.delay, rtt - base
        if self.delay > self.target:
            if not (self._yielding and self.delay < before / 2):  # else the last cut is still working
                self._give_way(achieved, base)
        else:
            self._grow(achieved, rtt, base)
        self.rate = max(self.window / (base + self.target), self.floor)
        self.window = self.rate * (base + self.target)
        return self.rate

    def _give_way(self, achieved: float, base: float) -> None:
        if self.starting:  # the windows that connections began with were the system's, and cannot be taken back
            self.window = max(self.window, achieved * base)
        self.starting, self._calm = False, 0
        if achieved * base > 1.05 * self.window:
            return  # more is under way than the window allows: it is not felt yet
        self._yielding += 1
        fitting = achieved * (base + self.target / 2) if self._yielding == 1 else 0.0
        self._pressed += self._yielding > 1
        self._met = self._pressed > 1  # once may be our own, sent before the window was cut
        self.window = max(self.window * CUT, min(self.window, fitting))

    def _grow(self, achieved: float, rtt: float, base: float) -> None:
        if not self._met:  # what came without a queue is what the line carries
            self.window = max(self.window, achieved * base)
        self._yielding = 0
        # Where a round trip is shorter than the target it is `rate`, not the window, that lets no more through.
        if achieved * max(rtt, (base + self.target) / 2) < self.window / 2:
            self._calm = 0
            return  # something else holds the download back: a larger window would say nothing, and be a burst later
        self._calm = self._calm + 1 if self.delay < self.target / 4 else 0
        if self._calm > (FREE if self._met else CALM):
            self.starting, self._met, self._pressed = True, False, 0
        self._hints = 0 if self.delay < self.target / 2 else self._hints + 1
        if self._hints > 1:  # one alone may be the burst with which many connections begin
            self.starting = False
        if not self.starting:
            careful = (self.target - self.delay) / max(rtt, 1e-4)
            self.window *= 1 + min((POLITE if self._met else GAIN) * careful, FAST - 1)
        elif not self._hints:
            self.window *= FAST
