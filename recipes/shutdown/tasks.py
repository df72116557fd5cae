import gzip

from celery import shared_task
from django.core.files.base import ContentFile

from core.storages import public_storage


@shared_task
def compress(path: str) -> str:
    with public_storage.open(path) as file:
        packed = gzip.compress(file.read())
    public_storage.delete(f"{path}.gz")
    return public_storage.save(f"{path}.gz", ContentFile(packed))
