"""How many connections to a host each lane may have, so that all together never have more than --per-host.

A lane's part is raised only by what no other lane holds, and what was lowered counts until the lane has said that it
closed the rest. So the bound holds at every moment, whoever comes and goes. Pure arithmetic.
"""

from __future__ import annotations

from fastdl.core.plain import dataclass, field


@dataclass(slots=True)
class Part:
    """Of one lane at one host: what it may have, what it may have open at most by now, and since which orders."""

    may: int = 0
    held: int = 0
    serial: int = 0


@dataclass(slots=True)
class Shares:
    """The parts of all lanes. A lane takes part at a host from when it asked for it."""

    per_host: int
    lanes: list[int] = field(default_factory=list)  # as they came
    idle: set[int] = field(default_factory=set)  # of them, those for whom there is nothing more to do
    hosts: dict[str, dict[int, Part]] = field(default_factory=dict)

    def join(self, lane: int) -> None:
        """A lane has come."""
        self.lanes.append(lane)

    def leave(self, lane: int) -> None:
        """A lane is gone, and its connections with it."""
        self.lanes.remove(lane)
        self.idle.discard(lane)
        for parts in self.hosts.values():
            parts.pop(lane, None)

    def heard(self, lane: int, seen: int, counts: dict[str, int]) -> None:
        """A lane, which has seen the orders up to `seen`, has these connections, and asks for these hosts."""
        for host, count in counts.items():
            part = self.hosts.setdefault(host, {}).setdefault(lane, Part())
            if seen >= part.serial:
                part.held = max(part.may, count)

    def review(self, serial: int) -> set[int]:
        """Give and take; the lanes whose parts have changed, and are to be told by orders from `serial` on."""
        changed: set[int] = set()
        busy = [lane for lane in self.lanes if lane not in self.idle]
        for parts in self.hosts.values():
            fair = dict(zip(busy, _fair(self.per_host, len(busy)), strict=True))
            for lane, part in parts.items():
                if part.may > fair.get(lane, 0):
                    part.may, part.serial = fair.get(lane, 0), serial
                    changed.add(lane)
            free = self.per_host - sum(part.held for part in parts.values())
            for lane, part in parts.items():
                more = min(fair.get(lane, 0) - part.may, free + max(0, part.held - part.may))
                if more > 0:
                    free -= max(0, part.may + more - part.held)
                    part.may += more
                    part.held = max(part.held, part.may)
                    part.serial = serial
                    changed.add(lane)
        return changed

    def of(self, lane: int) -> dict[str, int]:
        """What a lane may have, by host."""
        return {host: parts[lane].may for host, parts in self.hosts.items() if lane in parts}


def _fair(count: int, takers: int) -> list[int]:
    """So many places in equal parts; the first takers have one more where it does not come out even."""
    return [count // takers + (n < count % takers) for n in range(takers)] if takers else []
