"""How messages travel between the head of a run and its lanes: queues at Dask's scheduler, one up and one down to each
lane. All of it is for the loop of Dask's client."""

from __future__ import annotations

import asyncio
import uuid

from fastdl.cluster.messages import Orders, Report
from fastdl.cluster.parcel import Sealed, opened
from fastdl.core.hints import Any
from fastdl.errors import ClusterLost, FastdlError


class Queues:
    """The queues of one run. A queue's methods have no public name that a worker could use without a client of its own;
    so whatever comes from here may be an exception of any kind, see `lost`."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.up = f"fastdl-{uuid.uuid4().hex[:12]}"

    def down(self, number: int) -> str:
        """The name of a lane's queue."""
        return f"{self.up}-{number}"

    async def open(self, name: str) -> None:
        """Make a queue."""
        await self._client.scheduler.queue_create(name=name)

    async def send(self, number: int, orders: Orders) -> None:
        """Put orders into a lane's queue."""
        await self._client.scheduler.queue_put(name=self.down(number), data=Sealed(orders).data)

    async def receive(self) -> list[Report]:
        """All reports that are there, once there is one."""
        records = [await self._client.scheduler.queue_get(name=self.up)]
        records += await self._client.scheduler.queue_get(name=self.up, batch=True)
        found = [opened(record["value"]) for record in records]
        return [report for report in found if isinstance(report, Report)]

    async def drop(self, name: str) -> None:
        """Remove a queue, and answer the request that waits for something in it."""
        await self._client.scheduler.queue_put(name=name, data=b"")
        self._client._send_to_scheduler({"op": "queue_release", "name": name})


def lost(client: Any, error: BaseException) -> FastdlError:
    """What has gone wrong between here and the scheduler."""
    if isinstance(error, FastdlError):
        return error
    scheduler = getattr(client.scheduler, "address", "") or "of the cluster"
    if isinstance(error, (OSError, asyncio.TimeoutError)) or client.status != "running":
        return ClusterLost(f"the scheduler {scheduler} is gone", in_words(error))
    from importlib.metadata import version

    release = version("distributed")
    hint = f"Perhaps this fastdl does not fit the cluster's release of Dask; here is distributed {release}."
    return ClusterLost(f"the scheduler {scheduler} does not do what it is asked for", in_words(error), hint)


def in_words(error: BaseException) -> str:
    """An exception of somebody else, in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(":. ")
