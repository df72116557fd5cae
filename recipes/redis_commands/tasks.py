from celery import shared_task

from core.storages import public_storage


@shared_task
def import_orders(path: str) -> int:
    with public_storage.open(path) as file:
        return sum(1 for _ in file)
