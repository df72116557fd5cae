from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kombu.transport.redis import Channel
from kombu.utils.json import loads
from redis import Redis

from core.celery import app


@dataclass
class Places:
    waiting: int
    priorities: int
    unacked: int
    workers: dict[str, int]


def places(queue: str) -> Places:
    workers = in_workers(queue)
    with broker() as (channel, redis):
        lists = [f"{queue}{channel.sep}{step}" for step in channel.priority_steps]
        return Places(
            waiting=redis.llen(queue),
            priorities=sum(redis.llen(key) for key in lists),
            unacked=len(unacked(channel, redis, queue)),
            workers=workers,
        )


def empty(queue: str) -> None:
    with broker() as (channel, redis):
        channel.queue_purge(queue)
        for tag in unacked(channel, redis, queue):
            redis.hdel(channel.unacked_key, tag)
            redis.zrem(channel.unacked_index_key, tag)


def in_workers(queue: str) -> dict[str, int]:
    served = app.control.inspect(timeout=3).active_queues() or {}
    found = Counter({name: 0 for name, queues in served.items() if any(each["name"] == queue for each in queues)})
    if served:
        inspect = app.control.inspect(list(served), timeout=10)
        for answers in (inspect.active(), inspect.reserved(), inspect.scheduled()):
            for name, requests in (answers or {}).items():
                for request in requests:
                    delivery = request.get("request", request)["delivery_info"]
                    if delivery["routing_key"] == queue:
                        found[name] += 1
    return dict(found)


def unacked(channel: Channel, redis: Redis, queue: str) -> list[str]:
    messages = redis.hgetall(channel.unacked_key)
    return [tag for tag, message in messages.items() if loads(message)[2] == queue]


@contextmanager
def broker() -> Iterator[tuple[Channel, Redis]]:
    with app.connection_or_acquire() as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as redis:
            yield channel, redis
