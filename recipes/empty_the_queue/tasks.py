from celery import shared_task

from core.storages import public_storage


@shared_task
def count_words(path: str) -> int:
    with public_storage.open(path) as document:
        return len(document.read().split())
