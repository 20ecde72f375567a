"""Parts on their way to an object store: a real HTTP server on loopback."""

import subprocess
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from controller.runner import upload
from controller.runner.overflow import Stored
from controller.runner.upload import Patience, Refused, Uploaded, Uploader
from crds.records import Part
from tests.cluster.platform.processes import free_port
from tests.cluster.runner.store import serving

HEADERS = {"x-ms-blob-type": "BlockBlob"}


def stored(folder: Path, number: int) -> Stored:
    """A part in its file, of a megabyte."""
    file = folder / f"{number}.gz"
    file.write_bytes(f"part {number} ".encode() * 150_000)
    return Stored(Part(number, 1, 1, 0, 1), file, file.stat().st_size)


def put(folder: Path, url: str) -> None:
    """PUT a part, once."""
    with stored(folder, 0).file.open("rb") as body:
        upload.put(url, HEADERS, body)


def test_a_part_is_put_as_the_url_says(tmp_path: Path) -> None:
    with serving() as store:
        put(tmp_path, store.urls(1)[0])
    ((path, headers),) = store.asked
    assert path == "/bucket/0?X-Signature=planted%2F0"
    assert list(store.kept.values()) == [(tmp_path / "0.gz").read_bytes()]
    assert headers["Content-Length"] == str((tmp_path / "0.gz").stat().st_size)
    assert headers["x-ms-blob-type"] == "BlockBlob"
    # What a signature does not cover a store may refuse.
    assert set(headers) == {"Host", "Accept-Encoding", "Content-Length", "x-ms-blob-type"}


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_success(tmp_path: Path, status: int) -> None:
    with serving(lambda _: status) as store:
        put(tmp_path, store.urls(1)[0])
    assert len(store.kept) == 1


@pytest.mark.parametrize("status", [301, 307, 308, 400, 403, 404, 500, 503])
def test_all_else_is_none_and_redirects_are_not_followed(tmp_path: Path, status: int) -> None:
    with serving(lambda _: status) as store, pytest.raises(Refused, match=f"^HTTP {status}$"):
        put(tmp_path, store.urls(1)[0])
    assert len(store.asked) == 1


def test_a_store_that_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "TIMEOUT", 0.3)
    with serving(lambda _: None) as store, pytest.raises(Refused, match="no answer in time"):
        put(tmp_path, store.urls(1)[0])


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One for loopback, that signs itself, with its key."""
    file = tmp_path / "certificate"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-noenc", "-subj", "/CN=store", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", file, "-out", tmp_path / "public"],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + (tmp_path / "public").read_text())
    return file


def test_tls(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(certificate=certificate) as store:
        with pytest.raises(Refused, match="its certificate is not trusted"):
            put(tmp_path, store.urls(1)[0])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        put(tmp_path, store.urls(1)[0])
    assert len(store.kept) == 1


NO_STORES = (
    "http://127.0.0.1:{port}/planted",
    "https://127.0.0.1:{port}/planted",
    "http://127.0.0.1:{port}/plan ted",
    "http://127.0.0.1:planted/",
    "https://[planted",
    "http:///planted",
    "planted",
)


@pytest.mark.parametrize("url", NO_STORES)
def test_no_store(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused, match="no connection") as refused:
        put(tmp_path, url.format(port=free_port()))
    assert "planted" not in str(refused.value)


def messages(queue: "SimpleQueue[Any]", count: int) -> list[tuple[int, bool]]:
    """What became of so many parts."""
    found: list[Uploaded] = [queue.get(timeout=20) for _ in range(count)]
    return [(message.stored.part.part, message.kept) for message in found]


def test_oldest_first_until_it_is_kept_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(upload, "FIRST_PAUSE", 0.01)
    told = SimpleQueue[Any]()
    with serving(lambda nth: 200 if nth in {3, 6, 7} else 503) as store:
        uploader = Uploader(store.urls(3), HEADERS, told)
        for number in range(3):
            uploader.take(stored(tmp_path, number))
        assert messages(told, 3) == [(0, True), (1, True), (2, True)]
    tried = [int(path.split("?")[0][-1]) for path, _ in store.asked]
    assert tried == [0, 0, 0, 0, 1, 1, 1, 2]
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.splitlines() == [
        "runner: output can't be stored yet: HTTP 503",
        "runner: output can be stored again",
    ]


def test_pauses_grow_and_the_end_waits_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "FIRST_PAUSE", 60.0)
    told = SimpleQueue[Any]()
    with serving(lambda nth: 200 if nth else 503) as store:
        uploader = Uploader(store.urls(1), {}, told)
        uploader.hurry()
        uploader.take(stored(tmp_path, 0))
        assert messages(told, 1) == [(0, True)]


def test_a_lost_file_holds_nothing_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_text("planted")
    told = SimpleQueue[Any]()
    with serving() as store:
        uploader = Uploader(store.urls(3), {}, told)
        parts = [stored(tmp_path, number) for number in range(3)]
        parts[0].file.unlink()
        parts[1].file.unlink()
        parts[1].file.symlink_to(tmp_path / "secret")
        for part in parts:
            uploader.take(part)
        assert messages(told, 3) == [(0, False), (1, False), (2, True)]
    assert len(store.kept) == 1
    assert "planted" not in capsys.readouterr().err


def test_how_long_the_end_waits() -> None:
    patience = Patience(100.0, 60.0)
    assert patience.left(100.0) == 10.0
    patience.progress(108.0, kept=True)
    assert patience.left(110.0) == 8.0
    patience.progress(112.0, kept=False)
    assert patience.left(118.0) == 0.0, "a lost part is none that got through"
    for now in range(110, 158, 8):
        patience.progress(now, kept=True)
    assert patience.left(158.0) == 2.0, "60 s in all"
    again = Patience(100.0, 60.0)
    again.shorten(101.0, 3.0)
    again.shorten(101.0, 30.0)
    again.progress(103.0, kept=True)
    assert again.left(103.5) == 0.5
    assert Patience(time.monotonic(), -1.0).left(time.monotonic()) < 0
