import gzip
import json
import shutil

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from core.storages import public_storage


@shared_task
def archive(path: str) -> str:
    name = f"{path}.gz"
    try:
        with (
            public_storage.open(path) as source,
            public_storage.open(name, "wb") as target,
            gzip.open(target, "wb") as compressed,
        ):
            shutil.copyfileobj(source, compressed)
    except SoftTimeLimitExceeded:
        public_storage.delete(name)
        raise
    return name


@shared_task
def count_products(path: str) -> int:
    with public_storage.open(path) as catalogue:
        return len(json.load(catalogue))
