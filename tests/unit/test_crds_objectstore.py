"""The archive in an object store, in a folder; tests/cluster/test_object_store.py has real S3."""

import gzip
from pathlib import Path

import pytest
from pydantic import ValidationError

from crds import archive, errors
from crds.archive import Chunk
from crds.objectstore import ObjectArchive, StoreSettings
from tests.unit.seen import task

LINES = [b'{"a":1}', b'{"b":2}', b'{"c":3}']


def in_folder(folder: Path) -> ObjectArchive:
    return ObjectArchive(StoreSettings(archive_url=f"file://{folder}/logs"), lambda _: None)


def files(folder: Path) -> list[Path]:
    return [*folder.rglob("*.gz")]


async def chunks(kept: ObjectArchive, uid: str) -> list[Chunk]:
    return [chunk async for chunk in kept.read(task(meta={"uid": uid}))]


async def test_chunks_come_back_in_order_and_each_task_has_its_own(tmp_path: Path) -> None:
    kept = in_folder(tmp_path)
    packed = [
        archive.pack("a", 1, 1, LINES),
        archive.pack("a", 0, 1_000_000_000, LINES[2:]),
        archive.pack("a", 0, 2, LINES[:2]),
    ]
    for chunk in packed:
        await kept.append(task(meta={"uid": "a"}), chunk)
        await kept.append(task(meta={"uid": "b"}), chunk)
    found = await chunks(kept, "a")
    assert found == packed[::-1]
    await kept.clear(task(meta={"uid": "a"}))
    await kept.clear(task(meta={"uid": "a"}))
    assert await chunks(kept, "a") == []
    assert len(await chunks(kept, "b")) == 3
    assert len(files(tmp_path)) == 3


async def test_a_folder_takes_no_uploads(tmp_path: Path) -> None:
    assert (await in_folder(tmp_path).uploads(task())).urls == ()


async def test_a_part_that_is_not_there_is_told_from_a_store_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        await in_folder(tmp_path).overflow(task(), 0, 0)
    options = {
        "aws_endpoint": "http://127.0.0.1:9", "aws_access_key_id": "a",
        "aws_secret_access_key": "planted", "aws_region": "r",
    }  # fmt: skip
    away = ObjectArchive(
        StoreSettings(archive_url="s3://bucket/logs", archive_options=options), lambda _: None
    )
    with pytest.raises(errors.Unavailable, match=r"^s3://bucket/logs did not answer\.$"):
        await chunks(away, "a")
    with pytest.raises(errors.Unavailable, match="did not answer"):
        await chunks(away, "a")


async def test_pods_get_a_url_a_part_that_holds_no_secret() -> None:
    options = {
        "endpoint": "http://127.0.0.1:9", "access_key_id": "a", "secret_access_key": "planted",
        "region": "r",
    }  # fmt: skip
    settings = StoreSettings(archive_url="s3://bucket/logs/", archive_options=options)
    found = await ObjectArchive(settings, lambda _: None).uploads(
        task(meta={"uid": "u"}, hosts=["a", "b"], slices=2)
    )
    assert [len(urls) for urls in found.urls] == [48, 48]
    assert "/bucket/logs/u/1/overflow-047.gz?" in found.urls[1][47]
    assert "Expires=604800" in found.urls[0][0], "the longest that S3 takes"
    assert "planted" not in str(found.urls)


async def test_the_urls_of_many_slices_fit_a_secret() -> None:
    options = {"region": "r", "access_key_id": "a", "secret_access_key": "s"}
    for token in ("", "t" * 900):
        options["session_token"] = token
        settings = StoreSettings(archive_url="s3://bucket/logs", archive_options=dict(options))
        store = ObjectArchive(settings, lambda _: None)
        for slices in (1, 8, 100):
            many = task(hosts=[f"h{at}" for at in range(slices)], slices=slices)
            urls = (await store.uploads(many)).urls
            assert len(urls) == slices
            assert len({len(some) for some in urls}) == 1
            assert len(str(urls)) < 512 * 1024


def test_what_is_larger_than_any_of_ours_is_not_unpacked() -> None:
    assert archive.unpack(gzip.compress(b"a\n" * 20_000_000)) == []
    assert archive.unpack(gzip.compress(b"a\nb\n")[:-4]) == []


async def test_credentials_that_change_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "aws_access_key_id").write_text("first\n")
    (tmp_path / "aws_secret_access_key").write_text("s")
    settings = StoreSettings(
        archive_url="s3://bucket", archive_options={"region": "r"},
        archive_credentials=str(tmp_path),
    )  # fmt: skip
    kept = ObjectArchive(settings, lambda _: None)
    for name in ("first", "second"):
        (tmp_path / "aws_access_key_id").write_text(name)
        (urls,) = (await kept.uploads(task())).urls
        assert f"Credential={name}" in urls[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("planted", b"3s", "with the mounted ones, the options"),
        ("aws_timeout", b"3s", "with the mounted ones, the options"),
        ("aws_region", b"\xff", "the mounted credentials can't be read"),
    ],
)
async def test_a_secret_that_does_not_fit_is_told(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    settings = StoreSettings(archive_url="s3://bucket", archive_credentials=str(tmp_path))
    kept = ObjectArchive(settings, lambda _: None)
    with pytest.raises(errors.Forbidden, match=said):
        await kept.append(task(), archive.pack("u", 0, 1, LINES))
    with pytest.raises(errors.Forbidden, match=said):
        await kept.uploads(task())


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("bucket", {}, "must begin with s3://"),
        ("http://bucket", {}, "must begin with s3://"),
        ("s3://", {}, "must name a bucket"),
        ("s3://key:planted@bucket", {}, "must hold a bucket and a prefix only"),
        ("s3://bucket?key=planted", {}, "must hold a bucket and a prefix only"),
        ("file://archive", {}, "must name a folder"),
        ("s3://bucket", {"allow_http": "true"}, "can't hold allow_http"),
        ("s3://bucket", {"AWS_TIMEOUT": "3s"}, "can't hold AWS_TIMEOUT"),
        ("s3://bucket", {"planted": "x"}, "the options do not fit the store"),
    ],
)
def test_wrong_settings_get_a_sentence(url: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError) as failed:
        StoreSettings(archive_url=url, archive_options=options)
    text = str(failed.value.errors(include_input=False, include_url=False))
    assert said in text
    assert "planted" not in text


async def test_nothing_is_written_by_a_process_that_does_not_lead(tmp_path: Path) -> None:
    def fence(write: str) -> None:
        raise errors.NotLeading(write)

    settings = StoreSettings(archive_url=f"file://{tmp_path}")
    await ObjectArchive(settings, lambda _: None).append(task(), archive.pack("u", 0, 1, LINES))
    kept = ObjectArchive(settings, fence)
    with pytest.raises(errors.NotLeading):
        await kept.append(task(), archive.pack("u", 0, 1, LINES))
    with pytest.raises(errors.NotLeading):
        await kept.clear(task())
    assert len(files(tmp_path)) == 1
