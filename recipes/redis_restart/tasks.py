import hashlib

from celery import shared_task

from core.storages import public_storage


@shared_task
def fingerprint(path: str) -> str:
    with public_storage.open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
