from core.celery import app


def expire_replies(seconds: int = 3600) -> int:
    with app.connection_or_acquire() as connection:
        redis = connection.default_channel.client
        replies = redis.scan_iter("*.reply.celery.pidbox", _type="list")
        return sum(redis.expire(key, seconds) for key in replies if redis.ttl(key) == -1)
