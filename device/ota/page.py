"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"1330f39872527ac7"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-Kh7Q6qUmJmhMOvhmck1iqknH+WYrL7ao2YyBh+qCHeQ='; "
    "style-src 'sha256-/yDgRvYdvSO+JUnzUDOTvRwPWZgbgj3k7UBRtDgMU34='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
