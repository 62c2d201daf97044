"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"9c9dac018a652167"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-bR1id90JdySGg2cV/5ViXb0Vv2Oo2HB6VGlozFKt28c='; "
    "style-src 'sha256-/yDgRvYdvSO+JUnzUDOTvRwPWZgbgj3k7UBRtDgMU34='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
