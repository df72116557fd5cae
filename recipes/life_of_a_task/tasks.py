import hashlib

from celery import shared_task

from core.storages import public_storage


@shared_task
def checksum(path: str, algorithm: str = "sha256") -> str:
    with public_storage.open(path) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
