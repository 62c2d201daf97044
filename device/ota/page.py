"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"9c775db6aebca2ca"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-NWQBWLV+EGjcQzy44YMH8fEZwZB/kj00UacAFQ743YY='; "
    "style-src 'sha256-/yDgRvYdvSO+JUnzUDOTvRwPWZgbgj3k7UBRtDgMU34='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
