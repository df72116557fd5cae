import json
from dataclasses import dataclass

from core.celery import app


@dataclass
class Waiting:
    id: str
    task: str
    args: list[object]
    kwargs: dict[str, object]


def waiting(queue: str = "celery", limit: int = 20) -> list[Waiting]:
    with app.connection_or_acquire() as connection:
        channel = connection.default_channel
        found: list[bytes] = []
        for step in channel.priority_steps:
            key = f"{queue}{channel.sep}{step}" if step else queue
            found += reversed(channel.client.lrange(key, -limit, -1))
        tasks = []
        for raw in found[:limit]:
            message = channel.message_to_python(json.loads(raw))
            args, kwargs, _callbacks = message.payload
            tasks.append(Waiting(message.headers["id"], message.headers["task"], args, kwargs))
    return tasks
