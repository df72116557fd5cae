from celery import shared_task
from celery.utils.log import get_task_logger

from core.storages import public_storage

logger = get_task_logger(__name__)


@shared_task
def delete_public_file(path: str) -> None:
    public_storage.delete(path)
    logger.info("%s deleted", path)
