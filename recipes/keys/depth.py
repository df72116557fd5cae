from dataclasses import dataclass

from core.celery import app


@dataclass
class Depth:
    waiting: int
    held: int


def depth(queue: str = "celery") -> Depth:
    with app.connection_or_acquire() as connection:
        channel = connection.default_channel
        with channel.client.pipeline() as commands:
            for step in channel.priority_steps:
                commands.llen(f"{queue}{channel.sep}{step}" if step else queue)
            commands.hlen(channel.unacked_key)
            *waiting, held = commands.execute()
    return Depth(sum(waiting), held)
