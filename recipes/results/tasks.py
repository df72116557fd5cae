from celery import shared_task

from core.storages import public_storage


@shared_task
def count(path: str) -> dict[str, int]:
    with public_storage.open(path) as file:
        text = file.read().decode()
    return {"lines": len(text.splitlines()), "words": len(text.split())}


@shared_task
def total(counts: list[dict[str, int]]) -> dict[str, int]:
    return {unit: sum(each[unit] for each in counts) for unit in ("lines", "words")}


@shared_task(ignore_result=True, store_errors_even_if_ignored=True)
def delete(path: str) -> None:
    public_storage.delete(path)
