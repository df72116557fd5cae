from django.conf import settings
from django.core.files.storage import FileSystemStorage

public_storage = FileSystemStorage(location=settings.PUBLIC_ROOT, base_url="/public/")
