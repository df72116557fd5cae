from datetime import timedelta

from celery.result import AsyncResult

from first_task.tasks import delete_public_file

LONGEST_DELAY = timedelta(minutes=45)


def delete_public_file_later(path: str, delay: timedelta) -> AsyncResult:
    if delay > LONGEST_DELAY:
        raise ValueError(f"{delay} is longer than {LONGEST_DELAY}")
    return delete_public_file.apply_async((path,), countdown=delay.total_seconds())
