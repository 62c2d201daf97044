"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"a097625ee15b2215"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-Jkn/H5Yw7Uu0egsyO/QFLiv4DnB2nhGIqLvBb0whKYE='; "
    "style-src 'sha256-VNloyv4XQNjg1dQlGLGMRPssiDtbnkGrRHC1wKYGvdo='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
