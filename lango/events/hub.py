"""Takes each event once, and fans it out to the groups of subscribers that it concerns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

from sqlalchemy import URL

from lango.db.pipeline import Pipeline
from lango.events.feeds import Explain, Feed, Group, Read, Subscriber
from lango.events.outbox import Event, Outbox, Position, check_kept, missed
from lango.observability.metrics import Metrics
from lango.settings import Settings


class Hub:
    """The subscriptions of one process. The outbox is followed while there are any."""

    def __init__(self, url: URL, settings: Settings, pipeline: Pipeline, metrics: Metrics) -> None:
        self.outbox = Outbox(url, settings, self.take)
        self._pipeline = pipeline
        self._metrics = metrics
        self._groups: dict[Hashable, Group] = {}
        # The groups by the id that they watch: an event names few ids.
        self._watching: dict[str, set[Group]] = {}
        self._joining = 0

    async def join(
        self, same: Hashable, feed: Feed, subscriber: Subscriber, read: Read, explain: Explain
    ) -> Callable[[], None]:
        """Send the subscriber what happens from now on, or after the feed's position; returns what removes it again.

        Those who join under the same key are sent the same. Raises ReplayExpired, and TimeoutError without a database.
        """
        key = object()
        self._joining += 1
        try:
            await self.outbox.start()
            if feed.after is not None:
                await check_kept(self._pipeline, feed.after, feed.kept_hours)
            group = self._groups.get(same)
            if group is None:
                group = self._groups[same] = Group(feed, read, partial(self._missed, feed), explain)
                self._watching.setdefault(feed.value, set()).add(group)
            group.join(key, subscriber, feed.after)
        finally:
            self._joining -= 1
            self._rest()
        self._metrics.subscriptions.inc()
        return partial(self._leave, same, group, key)

    def take(self, events: Sequence[Event]) -> None:
        """Hand new events to the groups that watch them."""
        self._metrics.events.inc(len(events))
        for event in events:
            for id_ in {event.key, *event.payload.values()}:
                for group in self._watching.get(id_, ()):
                    if group.feed.holds(event):
                        group.put(event)

    def close(self) -> None:
        for group in self._groups.values():
            group.close()
        self.outbox.stop()

    def _leave(self, same: Hashable, group: Group, key: Hashable) -> None:
        self._metrics.subscriptions.dec()
        group.leave(key)
        if not group.members and self._groups.get(same) is group:
            group.close()
            del self._groups[same]
            watching = self._watching[group.feed.value]
            watching.discard(group)
            if not watching:
                del self._watching[group.feed.value]
            self._rest()

    def _rest(self) -> None:
        if not self._groups and not self._joining:
            self.outbox.stop()

    async def _missed(self, feed: Feed, position: Position) -> tuple[list[Event], Position | None]:
        return await missed(self._pipeline, position, feed.prefixes, feed.by, feed.value)
