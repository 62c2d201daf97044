"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"c59ad33efc021b01"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-HOmGsnswXitsQsAPtjmmXaoRX8zh2cJGMdrz2YF2/BE='; "
    "style-src 'sha256-WSS3nTChXkxjuOJDm22qxlX5JZozJQ/u9v8ccnRRYJ8='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
