from celery import shared_task

from core.storages import public_storage


class DeliberateError(Exception):
    pass


@shared_task
def trigger_error(reference: str) -> None:
    raise DeliberateError(reference)


@shared_task
def count_words(path: str) -> int:
    with public_storage.open(path) as file:
        return len(file.read().split())
