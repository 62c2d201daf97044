import ota_boot  # noqa: D100 - the guard: keep these two lines first, put your own below

ota_boot.run()
