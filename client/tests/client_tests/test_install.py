"""Installing: signatures, interrupted downloads, hostile archives."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cetrus import BadRelease, Client, Session, Unreachable, UnsafeArchive
from cetrus.errors import CetrusError
from cetrus.installed import start_command
from cetrus.installing import Installer
from cetrus.unpack import safe_parts, unpack
from client_tests.reference import APPLICATION, Reference, jwk_of, sign

if TYPE_CHECKING:
    from cetrus.installed import Installed

VENDOR = Ed25519PrivateKey.generate()
SCRIPT = b"#!/bin/sh\necho halyard\n"


def tar_of(*members: tuple[str, bytes], mode: int = 0o755) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


GOOD = tar_of(("bin/halyard", SCRIPT), ("data/noise", os.urandom(200_000)))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cetrus.downloads.PAUSE_S", 0.0)
    monkeypatch.setattr("cetrus.installing.this_platform", lambda: "linux")


@pytest.fixture
def offered(server: Reference) -> dict[str, Any]:
    return server.publish("halyard-1.0.0-linux.tar.gz", GOOD, "linux", VENDOR)


def install(client: Client, **options: Any) -> Installed:
    installer = Installer(client.session)
    release = installer.describe("halyard", client.credential)
    installer.require_acceptable(
        "halyard",
        release,
        new_key=options.pop("new_key", None),
        downgrade=options.pop("downgrade", False),
    )
    return installer.install("halyard", release, client.credential, **options)


class TestInstall:
    def test_a_release_is_downloaded_verified_and_unpacked(
        self, client: Client, offered: dict[str, Any]
    ) -> None:
        seen: list[tuple[int, int]] = []
        installed = install(client, progress=lambda done, size: seen.append((done, size)))
        script = Path(installed.folder) / "bin" / "halyard"
        assert script.read_bytes() == SCRIPT
        assert stat.S_IMODE(script.stat().st_mode) == 0o755
        assert seen[-1] == (len(GOOD), len(GOOD))
        assert start_command(installed) == [str(script)]
        assert Installer(client.session).shelf.find(APPLICATION) is not None

    def test_nothing_but_the_result_stays(
        self, client: Client, session: Session, offered: dict[str, Any]
    ) -> None:
        installed = install(client)
        assert list((session.folder / "downloads").iterdir()) == []
        assert sorted(p.name for p in Path(installed.folder).parent.iterdir()) == [
            "1.0.0",
            "cetrus-root.json",
        ]

    def test_a_folder_with_other_files_is_left_alone(
        self, client: Client, offered: dict[str, Any], tmp_path: Path
    ) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "thesis.txt").write_text("years of work")
        with pytest.raises(CetrusError, match="not empty"):
            install(client, to=mine)
        assert (mine / "thesis.txt").read_text() == "years of work"

    def test_an_update_replaces_the_whole_folder(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        folder = Path(install(client).folder)
        (folder / "stale").write_text("")
        install(client)
        assert not (folder / "stale").exists()


class TestSignatures:
    @pytest.mark.parametrize("part", ["version", "filename", "sha256", "size", "application"])
    def test_metadata_other_than_signed_is_refused(
        self, client: Client, offered: dict[str, Any], part: str
    ) -> None:
        offered[part] = 1 if part == "size" else "0" * 64
        with pytest.raises(BadRelease):
            install(client)

    @pytest.mark.parametrize("part", ["vendor_signature", "countersignature"])
    def test_each_signature_is_needed(
        self, client: Client, offered: dict[str, Any], part: str
    ) -> None:
        head, claims, _ = offered[part].split(".")
        offered[part] = f"{head}.{claims}.{'A' * 86}"
        with pytest.raises(BadRelease):
            install(client)
        del offered[part]
        with pytest.raises(BadRelease):
            install(client)

    def test_a_vendor_key_that_cetrus_did_not_countersign_is_refused(
        self, client: Client, offered: dict[str, Any]
    ) -> None:
        thief = Ed25519PrivateKey.generate()
        names = ("application", "version", "platform", "filename", "size", "sha256")
        said = {name: offered[name] for name in names}
        offered["vendor_key"] = jwk_of(thief)
        offered["vendor_signature"] = sign(said, thief, "release+jwt")
        with pytest.raises(BadRelease, match="not the vendor's"):
            install(client)

    def test_a_lease_does_not_pass_for_a_release(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        names = ("application", "version", "platform", "filename", "size", "sha256")
        said = {name: offered[name] for name in names}
        offered["vendor_signature"] = sign(said, VENDOR, "lease+jwt")
        with pytest.raises(BadRelease):
            install(client)

    def test_another_platforms_release_is_refused(self, client: Client, server: Reference) -> None:
        server.releases["linux"] = server.publish("h.tar.gz", GOOD, "macos", VENDOR)
        with pytest.raises(BadRelease, match="macos"):
            install(client)

    def test_a_new_vendor_key_must_be_named(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        install(client)
        server.publish("h2.tar.gz", GOOD, "linux", Ed25519PrivateKey.generate())
        with pytest.raises(BadRelease, match="another vendor key") as caught:
            install(client)
        named = caught.value.hint.rsplit(" ", 1)[1]
        assert install(client, new_key=named).vendor_kid == named

    def test_other_bytes_than_signed_are_not_unpacked_and_not_kept(
        self, client: Client, server: Reference, session: Session, offered: dict[str, Any]
    ) -> None:
        server.files[offered["filename"]] = bytes(len(GOOD))
        with pytest.raises(BadRelease, match="checksum"):
            install(client)
        assert not any((session.folder / "downloads").glob("*.part"))

    def test_a_file_that_never_ends_is_cut_off(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        server.files[offered["filename"]] = GOOD + bytes(10_000_000)
        stored: list[int] = []
        with pytest.raises(BadRelease, match="larger"):
            install(client, progress=lambda done, size: stored.append(done))
        assert max(stored) <= len(GOOD)


class TestInterruption:
    def test_continues_where_it_stopped(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        server.cut_after = [70_000, 70_000]
        install(client)
        starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in server.ranges if r]
        assert len(server.ranges) == 3
        assert 0 < starts[0] <= 70_000 < starts[1] <= 140_000

    def test_continues_in_another_process(
        self, client: Client, server: Reference, session: Session, offered: dict[str, Any]
    ) -> None:
        part = session.folder / "downloads" / f".{offered['sha256']}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(GOOD[:100_000])
        install(client)
        assert server.ranges == ["bytes=100000-"]

    def test_a_part_that_is_whole_is_not_fetched_again(
        self, client: Client, server: Reference, session: Session, offered: dict[str, Any]
    ) -> None:
        part = session.folder / "downloads" / f".{offered['sha256']}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(GOOD)
        install(client)
        assert server.ranges == []

    def test_an_expired_link_is_asked_for_again(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        server.link_ms = 0
        asked: list[int] = []

        def progress(done: int, size: int) -> None:
            asked.append(done)

        issue = server._route

        def second_link_lives(*args: Any) -> Any:
            if sum(path.startswith("/v1/artifacts/") for path in server.paths()) > 1:
                server.link_ms = 300_000
            return issue(*args)

        server._route = second_link_lives  # type: ignore[assignment,method-assign] # bends this one server
        install(client, progress=progress)
        assert asked

    def test_a_server_that_gives_nothing_is_given_up(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        server.fault, server.fault_paths = "503", ("/s3/",)
        with pytest.raises(Unreachable):
            install(client)
        server.fault = None

    def test_the_credential_is_never_sent_to_the_storage(
        self, client: Client, server: Reference, offered: dict[str, Any]
    ) -> None:
        install(client)  # the reference server asserts it

    def test_a_download_on_another_site_is_refused(
        self, client: Client, offered: dict[str, Any]
    ) -> None:
        offered["url"] = "https://elsewhere.example/halyard.tar.gz"
        with pytest.raises(Unreachable, match="another site"):
            install(client)


class TestArchive:
    @pytest.mark.parametrize(
        "name",
        [
            "../escape",
            "a/../../escape",
            "/etc/escape",
            "a//b",
            "a/./b",
            "C:\\escape",
            "..\\escape",
            "a\\..\\b",
            "nul",
            "COM1.txt",
            "name.",
            "name ",
            "a:stream",
            "new\nline",
            "x" * 500,
        ],
    )
    def test_a_member_that_could_leave_the_folder_is_refused(
        self, tmp_path: Path, name: str
    ) -> None:
        archive = tmp_path / "a.tar.gz"
        archive.write_bytes(tar_of(("good", b"1"), (name, b"2")))
        with pytest.raises(UnsafeArchive):
            unpack(archive, tmp_path / "out" / "app")
        assert list((tmp_path / "out").iterdir()) == []
        assert not (tmp_path / "escape").exists()

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
    )
    def test_links_and_devices_are_refused(self, tmp_path: Path, kind: bytes) -> None:
        archive = tmp_path / "a.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            info = tarfile.TarInfo("link")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        with pytest.raises(UnsafeArchive, match="link or a device"):
            unpack(archive, tmp_path / "app")

    @pytest.mark.parametrize("name", ["../escape", "..\\escape", "/escape", "a/../../escape"])
    def test_the_same_holds_for_zip(self, tmp_path: Path, name: str) -> None:
        archive = tmp_path / "a.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(zipfile.ZipInfo(name), b"1")
        with pytest.raises(UnsafeArchive):
            unpack(archive, tmp_path / "out" / "app")

    def test_a_link_in_a_zip_is_refused(self, tmp_path: Path) -> None:
        archive = tmp_path / "a.zip"
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(info, b"/etc/passwd")
        with pytest.raises(UnsafeArchive):
            unpack(archive, tmp_path / "app")

    def test_a_zip_name_with_a_zero_byte_is_refused(self, tmp_path: Path) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("good@evil", b"1")
        (tmp_path / "a.zip").write_bytes(packed.getvalue().replace(b"good@evil", b"good\0evil"))
        with pytest.raises(UnsafeArchive):
            unpack(tmp_path / "a.zip", tmp_path / "app")

    def test_names_that_differ_in_case_alone_are_refused(self, tmp_path: Path) -> None:
        archive = tmp_path / "a.tar.gz"
        archive.write_bytes(tar_of(("Read", b"1"), ("READ", b"2")))
        with pytest.raises(UnsafeArchive, match="twice"):
            unpack(archive, tmp_path / "app")

    def test_setuid_bits_do_not_survive(self, tmp_path: Path) -> None:
        archive = tmp_path / "a.tar.gz"
        archive.write_bytes(tar_of(("tool", b"1"), mode=0o6777))
        unpack(archive, tmp_path / "app")
        assert stat.S_IMODE((tmp_path / "app" / "tool").stat().st_mode) == 0o755

    @pytest.mark.parametrize(
        "data", [b"", b"not an archive", GOOD[:5000], gzip.compress(b"x", mtime=0)]
    )
    def test_a_damaged_archive_is_an_error_of_ours(self, tmp_path: Path, data: bytes) -> None:
        for name in ("a.tar.gz", "a.zip"):
            (tmp_path / name).write_bytes(data)
            with pytest.raises(CetrusError):
                unpack(tmp_path / name, tmp_path / "app")

    @given(st.text(max_size=40))
    def test_no_name_leads_out_of_the_folder(self, name: str) -> None:
        try:
            parts = safe_parts(name)
        except UnsafeArchive:
            return
        base = Path("/base/folder")
        inside = Path(os.path.normpath(base.joinpath(*parts)))
        assert inside == base or base in inside.parents
