"""What looks like an allowed address must be one."""

import pytest

from backend.errors import BadSetting
from backend.media.places import Place, Places, Unreachable, hosts_from

STUDIO = "http://studio.example.org:8080"
HOSTS = hosts_from("media.example.org, *.cdn.example.org, files.example.org:8443, [::1]:9000")
PLACES = Places(STUDIO, "", HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "http://media.example.org/a.png",
        "https://media.example.org/a.png?size=1",
        "https://media.example.org:443/a.png",
        "https://MEDIA.Example.ORG/a.png",
        "https://media.example.org./a.png",
        "https://a.cdn.example.org/a.png",
        "https://a.b.cdn.example.org/a.png",
        "https://files.example.org:8443/a.png",
        "http://[::1]:9000/a.png",
        "http://studio.example.org:8080/pictures/a.png",
    ],
)
def test_allowed(url: str) -> None:
    place = PLACES.named(url, "tasks/5")
    assert not place.path
    assert place.url.lower().split("/")[2].rstrip(".") == url.lower().split("/")[2].rstrip(".")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png",
        "https://cdn.example.org/a.png",
        "https://evilcdn.example.org.evil.org/a.png",
        "https://xcdn.example.org/a.png",
        "https://media.example.org.evil.org/a.png",
        "https://evilmedia.example.org/a.png",
        "https://media.example.org@evil.org/a.png",
        "https://media.example.org:x@evil.org/a.png",
        "https://me@media.example.org/a.png",
        "https://evil.org/media.example.org",
        "https://evil.org#media.example.org",
        "https://evil.org?media.example.org",
        "https://evil.org\\@media.example.org/a.png",
        "https://evil.org\\.media.example.org/a.png",
        "https://evil.org%2f.cdn.example.org/a.png",
        "https://evil.org%252f.cdn.example.org/a.png",
        "https://evil.org%00.cdn.example.org/a.png",
        "https://media.example.org:8080/a.png",
        "https://media.example.org:99999/a.png",
        "https://media.example.org:port/a.png",
        "https://files.example.org/a.png",
        "http://studio.example.org/a.png",
        "https://studio.example.org:8080/a.png",
        "http://[::1]/a.png",
        "http://[::ffff:127.0.0.1]:9000/a.png",
        "http://127.0.0.1:8080/a.png",
        "http://2130706433/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/a.png",
        "http:///a.png",
        "http:media.example.org/a.png",
        "https:evil.org",
        "http://",
        "//media.example.org/a.png",
        "file:///etc/passwd",
        "ftp://media.example.org/a.png",
        "redis://media/a.png",
        "javascript:alert(1)",
        "cat.png",
        "",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(Unreachable) as refused:
        PLACES.named(url, "tasks/5")
    assert not refused.value.temporary


def test_without_hosts_there_is_label_studio_alone() -> None:
    places = Places(STUDIO, "", ())
    assert places.named(f"{STUDIO}/a.png", "tasks/5") == Place(url=f"{STUDIO}/a.png")
    with pytest.raises(Unreachable, match=r"media\.example\.org are not fetched.*MEDIA_HOSTS"):
        places.named("https://media.example.org/a.png", "tasks/5")


@pytest.mark.parametrize(
    "path",
    [
        "/data/upload/7/a.png",
        "/data/local-files/?d=cats%2F1.png",
        "/storage-data/uploaded/?filepath=upload/7/a.png",
        "/tasks/5/resolve/?fileuri=czM6Ly9i",
        "/projects/7/presign/?fileuri=czM6Ly9i",
    ],
)
def test_label_studios_files_get_the_token(path: str) -> None:
    assert PLACES.named(path, "tasks/5") == Place(path=path)
    assert PLACES.named(STUDIO + path, "tasks/5") == Place(path=path)
    assert PLACES.named("HTTP://Studio.Example.org:8080" + path, "tasks/5") == Place(path=path)


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/",
        "/",
        "/data",
        "/tasks/5/",
        "/tasks/5/resolve",
        "/data/../api/users/",
        "/data/upload/%2e%2e/%2e%2e/api/users/",
        "/data/upload/..%2f..%2fapi/users/",
        "/data/upload/..\\..\\api/users/",
        "/static/../api/users/",
        "/static/%2e%2e/api/users/",
        "//data/upload/7/a.png",
    ],
)
def test_other_pages_of_label_studio_do_not(path: str) -> None:
    with pytest.raises(Unreachable):
        PLACES.named(path, "tasks/5")
    try:
        assert PLACES.named(STUDIO + path, "tasks/5").path == ""
    except Unreachable:
        pytest.fail("its own host may serve other files to anybody")


@pytest.mark.parametrize("host", ["", STUDIO, "https://labels.example.org"])
def test_label_studios_own_examples_are_fetched_from_it(host: str) -> None:
    """The example clip of its template "Video Classification" was refused, because it stands in the
    task without a host."""
    places = Places(STUDIO, "https://labels.example.org", ())
    clip = "/static/samples/opossum_snow.mp4"
    assert places.named(host + clip, "tasks/5") == Place(path=clip)


def test_label_studio_in_a_folder_of_its_host() -> None:
    places = Places("https://tools.example.org/labels", "", ())
    upload = Place(path="/data/upload/7/a.png")
    assert places.named("/labels/data/upload/7/a.png", "tasks/5") == upload
    assert places.named("/data/upload/7/a.png", "tasks/5") == upload
    assert places.named("https://tools.example.org/labels/data/upload/7/a.png", "tasks/5") == upload
    example = Place(path="/static/samples/sample.jpg")
    assert places.named("/static/samples/sample.jpg", "tasks/5") == example
    assert places.named("/labels/static/samples/sample.jpg", "tasks/5") == example


def test_the_address_for_browsers_leads_to_the_address_that_we_know() -> None:
    places = Places("http://label-studio:8080", "https://labels.example.org", ())
    path = "/data/local-files/?d=cats/1.png"
    assert places.named(f"https://labels.example.org{path}", "tasks/5") == Place(path=path)
    with pytest.raises(Unreachable):
        places.named("https://labels.example.org/other.png", "tasks/5")


def test_a_file_in_the_cloud_is_asked_for_by_task() -> None:
    assert PLACES.named("s3://b/k", "tasks/12") == Place(
        path="/tasks/12/presign/?fileuri=czM6Ly9iL2s="
    )


@pytest.mark.parametrize("url", ["ftp://storage/a", "s3://b/k", "http://me:pass@storage/a"])
def test_label_studio_cannot_send_us_just_anywhere(url: str) -> None:
    place = PLACES.named("s3://b/k", "tasks/5")
    assert PLACES.redirected(place, "http://storage/a") == Place(url="http://storage/a")
    with pytest.raises(Unreachable):
        PLACES.redirected(place, url)


@pytest.mark.parametrize(
    "setting", ["https://media.example.org", "media.example.org/path", "*", "a*.org", "a b", "::1"]
)
def test_hosts_that_are_none(setting: str) -> None:
    with pytest.raises(BadSetting, match="MEDIA_HOSTS"):
        hosts_from(f"media.example.org,{setting}")


def test_hosts() -> None:
    assert hosts_from("") == ()
    assert hosts_from(" A.org ,*.b.org,,10.0.0.5:90") == ("a.org", "*.b.org", "10.0.0.5:90")
