"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""

ETAG = '"3d91cdd2347d1bf6"'
CSP = (
    "default-src 'none'; "
    "script-src 'sha256-IHNTpsU6nbPpYjuSuTtUdGK7/oMQuqm8/EWsR/p6gGE='; "
    "style-src 'sha256-veDAgzIzNRZccdgvgPhM5QSFAyPIJ+raBTFZ7zV9kWQ='; "
    "connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
