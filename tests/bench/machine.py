"""A machine of the test's: a host, and a device with a queue, whose times follow from what they are given alone."""

from __future__ import annotations

import random
from collections.abc import Callable


class Machine:
    """Host and device, in seconds that nobody waits for.

    Args:
        launch: what the host takes to give one piece of work to the device.
        noise: seconds of work → seconds that they take now.
    """

    def __init__(self, launch: float = 0.0, noise: Callable[[float], float] = lambda seconds: seconds) -> None:
        self.host = self.device = 0.0
        self.launch, self.noise = launch, noise
        self.synchronised = 0

    def work(self, seconds: float) -> Callable[[], None]:
        """A call that gives the device so much work, and does not wait."""

        def call() -> None:
            self.host += self.launch
            self.device = max(self.device, self.host) + self.noise(seconds)

        return call

    def event(self) -> Event:
        return Event(self)

    def synchronize(self) -> None:
        self.synchronised += 1
        self.host = max(self.host, self.device)


class Event:
    """What a CUDA event does: dated when the device passes it, and readable once it was waited for."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.passed: float | None = None
        self.seen = 0

    def record(self) -> None:
        self.passed = max(self.machine.device, self.machine.host)
        self.seen = self.machine.synchronised

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds."""
        assert self.passed is not None, "an event that was not recorded"
        assert end.passed is not None
        assert self.machine.synchronised > max(self.seen, end.seen), "the device has not come so far"
        return 1e3 * (end.passed - self.passed)


class SlowMoments:
    """A neighbour that comes and goes: work done while it is there takes longer, for many calls in a row."""

    def __init__(self, seed: int, slower: float = 0.6, stays: float = 0.97) -> None:
        self.random = random.Random(seed)
        self.slower, self.stays = slower, stays
        self.there = self.random.random() < 0.5

    def __call__(self, seconds: float) -> float:
        if self.random.random() > self.stays:
            self.there = not self.there
        return seconds * (1 + self.slower * self.there) * self.random.lognormvariate(0, 0.02)
