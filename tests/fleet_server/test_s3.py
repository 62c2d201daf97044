"""Releases kept in S3; moto stands for it."""

import boto3
import pytest
from moto.server import ThreadedMotoServer
from update_server import Boards, known, pico_ota


@pytest.fixture
def bucket(monkeypatch):
    """The client of an S3 with a bucket called releases, and what `--s3` takes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="releases")
    yield client, f"s3://releases?endpoint={url}&region=us-east-1"
    server.stop()


def test_a_release_lies_in_the_bucket_and_reaches_the_boards_in_ranges(bucket, serve, make_swu):
    client, url = bucket
    server = serve(None, "--s3", url)
    swu = make_swu("1.1.0", main=b"#" * 20000 + b"\n")  # several ranges
    server("upload", swu)
    (kept,) = client.list_objects_v2(Bucket="releases")["Contents"]
    assert kept["Size"] == swu.stat().st_size
    assert not list((server.folder / "artifacts").rglob("*.swu"))
    with Boards(known(server, 4)) as fleet:
        options = ("--stages", "1,100%", "--deadline", "3m", "--wait")
        told = server("rollout", swu, *options)
        assert len(fleet.ran("1.1.0")) == 4
    assert (told["state"], told["confirmed"]) == ("finished", 4)
    # A board takes whole ranges only, so it would have failed on anything else.
    assert sum(board.tally.bytes for board in fleet.boards) < 4 * (kept["Size"] + 8000)


def test_a_bucket_that_is_not_there_is_said_at_once(bucket, tmp_path):
    url = bucket[1].replace("releases", "others")
    words = ("fleet", "serve", "--data", tmp_path / "x", "--port", 0, "--s3", url)
    told = pico_ota(*words, check=1).stderr
    assert "the bucket others cannot be used" in told
    assert "Traceback" not in told
