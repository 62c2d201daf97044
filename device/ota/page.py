"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"f9d43e866cae47b0"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-2+Nz2mwrxozGvd0n07bnaCuokztEo/KAUyh37r9ytp8='; "
    "style-src 'sha256-WSS3nTChXkxjuOJDm22qxlX5JZozJQ/u9v8ccnRRYJ8='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
