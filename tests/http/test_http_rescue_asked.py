"""Asking for rescue mode before the service has had its first good start."""

from tests.conftest import client_for


def restart_into_rescue(pico):
    with client_for(pico) as client:
        answer = client.post("/api/v1/reboot", json={"mode": "rescue"})
    return answer


def test_rescue_mode_can_be_asked_for_at_once(make_pico):
    pico = make_pico("plain")  # its first good start would come 30 s after the start
    before = len(pico.events)
    assert restart_into_rescue(pico).status_code == 202
    pico.wait_event("listening", 20, since=before)
    with client_for(pico) as client:
        assert client.get("/api/v1/status").json()["mode"] == "rescue"


def test_rescue_mode_is_refused_where_it_would_not_find_the_network(make_pico):
    pico = make_pico("wlan")
    answer = restart_into_rescue(pico)
    assert answer.status_code == 409
    assert answer.json()["error"] == "no_network"
    with client_for(pico) as client:
        status = client.get("/api/v1/status").json()
    assert status["mode"] == "normal"
    assert [text for text in status["warnings"] if "rescue_network" in text]
