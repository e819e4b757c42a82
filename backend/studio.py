"""Label Studio's REST API: the calls that we make, and nothing else."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from backend.errors import StudioError

Json = dict[str, Any]

PAGE = 1000
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 60.0
WRITE_TIMEOUT = 600.0
"""Without the server flag, Label Studio recounts the whole project at each import."""

ACCESS_TOKEN_LIFETIME = 240.0
"""Label Studio's access tokens hold for 300 seconds."""

TASK_FIELDS = "id,data,annotations,result,was_cancelled"


@dataclass(frozen=True)
class Refusal:
    """What Label Studio has against an address: its HTTP status and its words."""

    status: int
    reason: str


class Studio:
    """A session with one Label Studio. Made for one thread; errors are StudioError."""

    def __init__(
        self,
        url: str,
        token: str,
        spare_token: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`spare_token` is used from the time on when Label Studio refuses the first."""
        self.url = url.rstrip("/")
        self._token = token
        self._spare_token = spare_token
        self._clock = clock
        self._access_until = 0.0
        self._server_time: datetime | None = None
        self._session = requests.Session()
        # Only reads are repeated: a write that timed out may have happened.
        retry = Retry(
            total=3,
            backoff_factor=0.3,
            backoff_jitter=0.3,
            status_forcelist=(502, 503, 504),
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def close(self) -> None:
        self._session.close()

    def server_time(self) -> datetime:
        """Label Studio's clock at its last answer to us (asked now when there was none)."""
        if self._server_time is None:
            self._call("GET", "/health")
        assert self._server_time is not None
        return self._server_time

    def project(self, project: int) -> Json:
        return self._json("GET", f"/api/projects/{project}/")

    def update_project(self, project: int, **changes: Any) -> Json:
        return self._json("PATCH", f"/api/projects/{project}/", json=changes)

    def create_project(self, **values: Any) -> Json:
        return self._json("POST", "/api/projects/", json=values)

    def import_tasks(self, project: int, tasks: list[Json]) -> Json:
        path = f"/api/projects/{project}/import"
        return self._json("POST", path, json=tasks, timeout=WRITE_TIMEOUT)

    def tasks(self, project: int, since: str | None = None) -> Iterator[Json]:
        """Tasks with their annotations, by id; only those updated after `since` if given."""
        items = []
        if since is not None:
            items.append(_filter("updated_at", "greater", "Datetime", since))
        yield from self._pages(project, TASK_FIELDS, items)

    def task_ids(self, project: int) -> set[int]:
        """The ids of all tasks: the only way to learn which ones were deleted."""
        return {task["id"] for task in self._pages(project, "id", [])}

    def next_task(self, project: int) -> Json | None:
        """The task that Label Studio's labelling stream serves to us; None when there is none."""
        response = self._call("GET", f"/api/projects/{project}/next", allowed=(404,))
        return None if response.status_code == 404 else _decoded(response)

    def lowest_scored(self, project: int) -> int | None:
        """The unlabelled task with the lowest score of the project's current version."""
        unlabelled = [_filter("total_annotations", "equal", "Number", 0)]
        page = self._page(project, "id", unlabelled, 1, 1, ordering="tasks:predictions_score")
        tasks: list[Json] = page["tasks"]
        return tasks[0]["id"] if tasks else None

    def annotate(self, task: int, result: list[Json]) -> Json:
        body = {"result": result, "lead_time": 1.0}
        return self._json("POST", f"/api/tasks/{task}/annotations/", json=body)

    def import_predictions(self, project: int, predictions: list[Json]) -> int:
        """Write predictions in one request. Returns how many Label Studio kept."""
        path = f"/api/projects/{project}/import/predictions"
        answer = self._json("POST", path, json=predictions, timeout=WRITE_TIMEOUT)
        return int(answer.get("created", 0))

    def predictions(self, project: int) -> list[Json]:
        response = self._call("GET", "/api/predictions/", params={"project": project})
        rows: list[Json] = response.json()
        return rows

    def model_versions(self, project: int) -> dict[str, int]:
        """Names of the prediction versions that the project holds, with their counts."""
        return self._json("GET", f"/api/projects/{project}/model-versions/")

    def delete_model_version(self, project: int, version: str) -> None:
        path = f"/api/projects/{project}/model-versions/"
        body = {"model_version": version}
        self._call("DELETE", path, json=body, timeout=WRITE_TIMEOUT, allowed=(404,))

    def webhooks(self, project: int) -> list[Json]:
        rows: list[Json] = self._call("GET", "/api/webhooks/", params={"project": project}).json()
        # Without a project of its own a webhook belongs to the whole organisation.
        return [row for row in rows if row.get("project") == project]

    def create_webhook(self, values: Json) -> Json:
        return self._json("POST", "/api/webhooks/", json=values)

    def update_webhook(self, webhook: int, values: Json) -> Json:
        return self._json("PATCH", f"/api/webhooks/{webhook}/", json=values)

    def delete_webhook(self, webhook: int) -> None:
        self._call("DELETE", f"/api/webhooks/{webhook}/", allowed=(404,))

    def backends(self, project: int) -> list[Json]:
        """The project's ML backends. Label Studio asks each of them for /health and /setup."""
        rows: list[Json] = self._call("GET", "/api/ml/", params={"project": project}).json()
        return rows

    def connect_backend(self, values: Json) -> Json:
        return self._json("POST", "/api/ml/", json=values)

    def tabs(self, project: int) -> list[Json]:
        rows: list[Json] = self._call("GET", "/api/dm/views/", params={"project": project}).json()
        return rows

    def create_tab(self, project: int, data: Json) -> Json:
        return self._json("POST", "/api/dm/views/", json={"project": project, "data": data})

    def update_tab(self, project: int, tab: int, data: Json) -> Json:
        body = {"project": project, "data": data}
        path = f"/api/dm/views/{tab}/"
        return self._json("PATCH", path, params={"project": project}, json=body)

    def projects(self) -> Iterator[Json]:
        """`id` and `title` of all projects that the token's user may see."""
        number, is_more = 1, True
        while is_more:
            params: Json = {"page": number, "page_size": PAGE, "include": "id,title"}
            page = self._json("GET", "/api/projects/", params=params)
            yield from page["results"]
            number, is_more = number + 1, page["next"] is not None

    def release(self) -> str:
        """Label Studio's own version. Asked without the token."""
        response = self._answer("GET", "/api/version/", READ_TIMEOUT)
        _raise_for(response, "GET /api/version/")
        return str(_decoded(response).get("release", ""))

    def kind_of_token(self) -> str:
        """In words."""
        return "personal access token" if self._is_personal() else "legacy token"

    def user(self) -> Json:
        """Whom the token belongs to."""
        return self._json("GET", "/api/current-user/whoami")

    def feature_flag(self, name: str) -> bool | None:
        """Whether a feature is on; None when Label Studio does not tell, as with legacy tokens."""
        response = self._call("GET", "/feature-flags/", allowed=(401, 403, 404))
        if response.status_code != 200:
            return None
        value = json.loads(response.text.removeprefix("<pre>").removesuffix("</pre>")).get(name)
        return value if isinstance(value, bool) else None

    def backend_refusal(self, url: str) -> Refusal | None:
        """Why no ML backend could be connected at this address; None when one could.

        Creates nothing: the request is invalid in another place, too.
        """
        return self._refusal("/api/ml/", {"url": url, "auth_method": "NONE OF THESE"})

    def webhook_refusal(self, url: str) -> Refusal | None:
        """Why there could be no webhook to this address; None when there could. Creates nothing."""
        return self._refusal("/api/webhooks/", {"url": url, "actions": ["NONE OF THESE"]})

    def _refusal(self, path: str, body: Json) -> Refusal | None:
        response = self._call("POST", path, json=body, allowed=(400, 403, 500))
        answer = _decoded(response)
        if response.status_code != 400:
            return Refusal(response.status_code, str(answer.get("detail", "")))
        about_url = answer.get("validation_errors", {}).get("url")
        return Refusal(400, " ".join(about_url)) if about_url else None

    def _pages(self, project: int, include: str, items: list[Json]) -> Iterator[Json]:
        # Ordered by id, and nothing leaves an "updated after" filter but a deleted task.
        number, seen, total = 1, 0, 1
        while seen < total:
            page = self._page(project, include, items, number, PAGE)
            tasks: list[Json] = page["tasks"]
            if not tasks:
                return
            yield from tasks
            seen, total, number = seen + len(tasks), int(page["total"]), number + 1

    def _page(
        self,
        project: int,
        include: str,
        items: list[Json],
        number: int,
        size: int,
        ordering: str = "tasks:id",
    ) -> Json:
        query = {
            "filters": {"conjunction": "and", "items": items},
            "ordering": [ordering],
        }
        params = {
            "project": project,
            "page": number,
            "page_size": size,
            "fields": "all" if include == TASK_FIELDS else "task_only",
            "include": include,
            "query": json.dumps(query),
        }
        response = self._call("GET", "/api/tasks/", params=params, allowed=(404,))
        if response.status_code == 404 and number > 1:
            return {"tasks": [], "total": 0}  # past the end: tasks were deleted meanwhile
        _raise_for(response, "GET /api/tasks/")
        return _decoded(response)

    def _json(self, method: str, path: str, **options: Any) -> Json:
        return _decoded(self._call(method, path, **options))

    def _call(
        self,
        method: str,
        path: str,
        *,
        timeout: float = READ_TIMEOUT,
        allowed: tuple[int, ...] = (),
        **options: Any,
    ) -> requests.Response:
        what = f"{method} {path}"
        response = self._send(method, path, timeout, options)
        if response.status_code == 401 and self._has_another_token():
            response = self._send(method, path, timeout, options)
        self._server_time = _date_of(response)
        if response.status_code not in allowed:
            _raise_for(response, what)
        return response

    def _send(
        self, method: str, path: str, timeout: float, options: dict[str, Any]
    ) -> requests.Response:
        headers = {"Authorization": self._authorization()}
        return self._answer(method, path, timeout, headers=headers, **options)

    def _answer(self, method: str, path: str, timeout: float, **options: Any) -> requests.Response:
        try:
            return self._session.request(
                method, self.url + path, timeout=(CONNECT_TIMEOUT, timeout), **options
            )
        except requests.RequestException as error:
            raise StudioError(
                f"{method} {path}: no answer from Label Studio at {self.url} "
                f"({type(error).__name__}). Check that it runs and that LABEL_STUDIO_URL is right"
            ) from error

    def _authorization(self) -> str:
        """Legacy tokens are sent as they are; personal access tokens buy short-lived ones."""
        if self._is_personal() and self._clock() >= self._access_until:
            self._refresh()
        # Asked anew: it may be the spare one now.
        return f"Bearer {self._access}" if self._is_personal() else f"Token {self._token}"

    def _is_personal(self) -> bool:
        """Whether the token is a personal access token, a JSON web token of three parts."""
        return self._token.count(".") == 2

    def _has_another_token(self) -> bool:
        if self._access_until:  # Label Studio forgot the access token early: buy another
            self._access_until = 0.0
            return True
        if not self._spare_token:
            return False
        self._token, self._spare_token = self._spare_token, ""
        return True

    def _refresh(self) -> None:
        path = "/api/token/refresh/"
        response = self._answer("POST", path, READ_TIMEOUT, json={"refresh": self._token})
        if response.status_code == 401 and self._has_another_token():
            if self._is_personal():
                self._refresh()
            return
        _raise_for(response, f"POST {path}")
        self._access: str = _decoded(response)["access"]
        self._access_until = self._clock() + ACCESS_TOKEN_LIFETIME


def _date_of(response: requests.Response) -> datetime:
    """The answer's Date header; every web server sends one. Our own clock if a proxy ate it."""
    sent = response.headers.get("Date")
    return datetime.now(UTC) if sent is None else parsedate_to_datetime(sent)


def _filter(name: str, operator: str, kind: str, value: Any) -> Json:
    return {"filter": f"filter:tasks:{name}", "operator": operator, "type": kind, "value": value}


def _decoded(response: requests.Response) -> Json:
    try:
        value = response.json()
    except ValueError as error:
        raise StudioError(
            f"{response.request.method} {response.request.path_url.partition('?')[0]}: "
            "the answer is not JSON; is this address really Label Studio?",
            response.status_code,
        ) from error
    return value if isinstance(value, dict) else {"items": value}


def _raise_for(response: requests.Response, what: str) -> None:
    status = response.status_code
    if status < 400:
        return
    advice = {
        401: "The access token is not accepted: set LABEL_STUDIO_API_KEY to a personal access "
        "token (Account & Settings), or allow legacy tokens in the organisation's settings and "
        "open the project's Settings > Model: Label Studio then sends its own",
        403: "The token's user may not do this: use the token of an administrator",
        404: "It does not exist, or the token's user may not see it",
    }.get(status, response.text[:1000])
    raise StudioError(f"{what}: Label Studio answered {status}. {advice}", status)
