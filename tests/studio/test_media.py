"""Files of a real Label Studio: uploads, local files and cloud storage, with each kind of token."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.dev import local
from backend.media.media import Media
from backend.media.places import Unreachable
from backend.studio.api import Studio
from backend.studio.session import Session
from backend.types import Json
from model.media.clips import read_clip
from tests.backend.web import Answer, Web
from tests.studio.copies import copy_data

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000
CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="kind" toName="image">'
    '<Choice value="cat"/><Choice value="dog"/></Choices></View>'
)

# Where Label Studio keeps its rows makes no difference to its files.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which Label Studio serves local files."""
    return tmp_path_factory.mktemp("documents")


@pytest.fixture(scope="module")
def studio(
    label_studio: local.LocalProcess,
    label_studio_program: str,
    documents: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Studio]:
    """A copy of the Label Studio that may serve local files."""
    folder = tmp_path_factory.mktemp("files")
    copy_data(label_studio, folder)
    environ = {
        "DJANGO_DB": "sqlite",
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(documents),
    }
    with local.label_studio(folder, local.free_port(), label_studio_program, environ) as server:
        server.wait_until_up()
        yield Studio(server.url, local.TOKEN)


@pytest.fixture(scope="module")
def personal_token(studio: Studio) -> str:
    session = studio.session
    allowed = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
    session.call("POST", "/api/jwt/settings", json=allowed)
    for old in session.json("GET", "/api/token/")["items"]:  # one a user
        session.call("POST", "/api/token/blacklist/", json={"refresh": old["token"]})
    return str(session.json("POST", "/api/token/")["token"])


@pytest.fixture(params=["legacy", "personal"])
def media(
    request: pytest.FixtureRequest, studio: Studio, personal_token: str, tmp_path: Path
) -> Iterator[Media]:
    token = local.TOKEN if request.param == "legacy" else personal_token
    session = Session(studio.url, token, repeats=0)
    media = Media(tmp_path / "media", session)
    yield media
    media.close()
    session.close()


@pytest.fixture
def project(studio: Studio) -> int:
    return int(studio.create_project(title="files", label_config=CONFIG)["id"])


def only_task(studio: Studio, project: int) -> tuple[str, int]:
    """What the project's one task names, and its id."""
    (task,) = studio.of(project).tasks()
    return task["data"]["image"], task["id"]


def add_storage(studio: Studio, kind: str, **values: object) -> int:
    made = studio.session.json("POST", f"/api/storages/{kind}", json={"title": "files", **values})
    return int(made["id"])


def upload(studio: Studio, project: int) -> Json:
    path = f"/api/projects/{project}/import"
    return studio.session.json("POST", path, files={"file": ("a cat.png", PICTURE, "image/png")})


def test_upload(studio: Studio, media: Media, project: int) -> None:
    upload(studio, project)
    reference, task = only_task(studio, project)
    assert reference.startswith(f"/data/upload/{project}/")
    assert media.fetch(reference, f"tasks/{task}").read_bytes() == PICTURE


def test_its_length_is_given(studio: Studio, media: Media, project: int) -> None:
    """Label Studio's built-in server ends a whole file and half a file in the same way."""
    upload(studio, project)
    reference, _ = only_task(studio, project)
    with media._ask_studio(reference, 10.0) as response:
        assert response.headers["Content-Length"] == str(len(PICTURE))


def test_upload_that_was_deleted(studio: Studio, media: Media, project: int) -> None:
    made = upload(studio, project)
    reference, task = only_task(studio, project)
    studio.session.call("DELETE", f"/api/import/file-upload/{made['file_upload_ids'][0]}")
    # Label Studio stumbles over it, and does so over other things that pass.
    with pytest.raises(Unreachable, match=r"500 .* their uploaded files were deleted") as refused:
        media.fetch(reference, f"tasks/{task}")
    assert refused.value.temporary


def test_local_file(studio: Studio, media: Media, project: int, documents: Path) -> None:
    folder = documents / f"cats {project}"
    folder.mkdir()
    (folder / "ä cat#1.png").write_bytes(PICTURE)
    storage = add_storage(
        studio, "localfiles", project=project, path=str(folder), use_blob_urls=True
    )
    studio.session.call("POST", f"/api/storages/localfiles/{storage}/sync")
    reference, task = only_task(studio, project)
    assert media.fetch(reference, f"tasks/{task}").read_bytes() == PICTURE


def test_the_example_of_a_template(media: Media) -> None:
    """It stands in the tasks of "Video Classification" as a path of Label Studio."""
    clip = media.fetch("/static/samples/opossum_snow.mp4", "tasks/0")
    assert len(read_clip(clip)) == 8


def test_local_file_that_no_storage_covers(media: Media, documents: Path) -> None:
    (documents / "secret.png").write_bytes(PICTURE)
    with pytest.raises(Unreachable, match="no local storage of the project covers") as refused:
        media.fetch("/data/local-files/?d=secret.png", "tasks/1")
    assert not refused.value.temporary


@pytest.fixture
def storage() -> Iterator[Web]:
    """Plays S3."""
    web = Web()
    web.answers |= {"/cats": Answer(), "/cats/a%20cat.png": Answer(PICTURE)}
    yield web
    web.close()


@pytest.mark.parametrize("presign", [True, False], ids=["presigned", "handed through"])
def test_cloud_file(
    studio: Studio, media: Media, project: int, storage: Web, presign: bool
) -> None:
    reference = "s3://cats/a cat.png"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    add_storage(
        studio,
        "s3",
        project=project,
        bucket="cats",
        s3_endpoint=storage.url,
        presign=presign,
        **keys,
    )
    studio.of(project).import_tasks([{"image": reference}])
    written, task = only_task(studio, project)
    assert written.startswith(f"/tasks/{task}/resolve/?fileuri=")
    for name in (reference, written):
        assert media.fetch(name, f"tasks/{task}").read_bytes() == PICTURE
    media.forget(reference)
    of_an_item = media.fetch(reference, f"projects/{project}")
    assert of_an_item.read_bytes() == PICTURE, "what is no task yet is found by its project"
    with pytest.raises(Unreachable, match="404" if presign else "424") as refused:
        media.fetch("s3://cats/gone.png", f"tasks/{task}")
    assert refused.value.temporary is not presign
    with pytest.raises(Unreachable, match="no source storage") as refused:
        media.fetch("s3://dogs/1.png", f"tasks/{task}")
    assert not refused.value.temporary
    assert local.TOKEN not in str(storage.seen)


def test_a_token_that_is_refused_is_no_fault_of_the_file(
    studio: Studio, project: int, tmp_path: Path
) -> None:
    upload(studio, project)
    reference, task = only_task(studio, project)
    session = Session(studio.url, "f" * 40, repeats=0)
    media = Media(tmp_path / "media", session)
    with pytest.raises(Unreachable, match="access token is not accepted") as refused:
        media.fetch(reference, f"tasks/{task}")
    assert refused.value.temporary
    media.close()
    session.close()
