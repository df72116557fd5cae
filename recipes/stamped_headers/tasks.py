from celery import shared_task

from core.storages import public_storage


@shared_task
def import_scan(path: str) -> int | None:
    if not public_storage.exists(path):
        return None
    with public_storage.open(path) as scan:
        return len(scan.read())
