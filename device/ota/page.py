"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"2c207df6df39c4c4"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-IHNTpsU6nbPpYjuSuTtUdGK7/oMQuqm8/EWsR/p6gGE='; "
    "style-src 'sha256-WSS3nTChXkxjuOJDm22qxlX5JZozJQ/u9v8ccnRRYJ8='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
