from celery.result import AsyncResult

from core.celery import app
from stamped_headers.tasks import import_scan


def start_import(scan_id: int, path: str, delay: float) -> AsyncResult:
    return import_scan.apply_async(
        (path,),
        countdown=delay,
        scan_id=str(scan_id),
        stamped_headers=["scan_id"],
    )


def cancel_imports(scan_id: int) -> None:
    app.control.revoke_by_stamped_headers({"scan_id": str(scan_id)})
