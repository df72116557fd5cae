from collections import Counter

from core.celery import app


def sent_to() -> set[str]:
    app.loader.import_default_modules()
    return {
        app.amqp.router.route({"queue": getattr(task, "queue", None)}, name)["queue"].name
        for name, task in app.tasks.items()
    }


def served_by() -> Counter[str]:
    answers = app.control.inspect(timeout=3).active_queues() or {}
    return Counter(queue["name"] for queues in answers.values() for queue in queues)


def waiting(queue: str) -> int:
    with app.connection_or_acquire() as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as redis:
            return sum(redis.llen(f"{queue}{channel.sep}{step}" if step else queue) for step in channel.priority_steps)
