"""Every setting of the backend, in one table: the fields of Settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from backend.errors import BadSetting
from backend.sending import apart, check_password, check_token, headers_from
from backend.types import Headers

STRATEGY_NAMES = (
    "auto",
    "random",
    "variance",
    "least_confidence",
    "margin",
    "entropy",
    "multilabel_margin",
    "k_center",
    "k_center_cosine",
    "k_center_pearson",
    "cluster_centres",
    "cluster_margin",
    "balanced_cluster_margin",
    "density_margin",
    "badge",
    "cardinality_margin",
    "query_synthesis",
)
"""`auto` and the names in model.choosing.strategies.STRATEGIES (a test holds the two together);
written out here so that reading the settings does not import the learning side."""


EVERYWHERE = ("0.0.0.0", "::", "*")
"""Values of HOST that mean all addresses of the machine."""


def setting(default: Any, help: str, *, advanced: bool = False, **limits: Any) -> Any:
    """A field of Settings. `advanced`: hardly anybody needs it; `limits`: least, most, choices, and
    exact: spaces around it belong to it."""
    return field(default=default, metadata={"help": help, "advanced": advanced, **limits})


@dataclass(frozen=True)
class Settings:
    """Read from environment variables of the same names in capitals; see `from_env`."""

    label_studio_url: str = setting(
        "", "Address of Label Studio as the backend reaches it, for example http://localhost:8080."
    )
    label_studio_api_key: str = setting(
        "", "Access token of a Label Studio user who may edit the project (either kind of token)."
    )
    label_studio_headers: str = setting(
        "",
        'Headers for a proxy before Label Studio, as JSON: {"CF-Access-Client-Id": "..."}.',
        advanced=True,
    )
    model_dir: Path = setting(Path("data"), "Folder for everything that the backend keeps.")
    encoder: str = setting(
        "all-MiniLM-L6-v2",
        "Text encoder: a Hugging Face folder or hub name; the default comes with the backend.",
    )
    image_encoder: str = setting(
        "facebook/dinov2-small",
        "Encoder of pictures and clips: a Hugging Face folder or hub name; none: ignore them.",
    )
    video_encoder: str = setting(
        "",
        "Encoder of clips as wholes, such as VideoMAE: a Hugging Face folder or hub name; empty: "
        "IMAGE_ENCODER reads single frames.",
    )
    detector: str = setting(
        "",
        "Detector that boxes in pictures begin with: a transformers model for object detection, a "
        "folder or hub name; empty: boxes are left to people.",
    )
    audio_encoder: str = setting(
        "facebook/wav2vec2-base",
        "Encoder of sounds: a Hugging Face folder or hub name; none: ignore them.",
    )
    clip_sound: bool = setting(False, "Read the sound of clips, too, with AUDIO_ENCODER.")
    media_hosts: str = setting(
        "",
        "Hosts besides Label Studio that media may come from, such as cdn.example.org,*.abc.net.",
    )
    media_mb: int = setting(
        100,
        "Pictures, clips, sounds and documents larger than this many megabytes are not read.",
        least=1,
    )
    media_cache_mb: int = setting(
        2000, "Fetched media are kept up to this many megabytes in all.", advanced=True, least=0
    )
    max_tokens: int = setting(
        128,
        "Texts are read in windows of this many tokens, which the encoder reads at once.",
        least=8,
    )
    max_windows: int = setting(
        8,
        "Of a text longer than MAX_TOKENS, at most this many windows are read; 1 reads only its "
        "beginning.",
        least=1,
    )
    transfer_from: str = setting(
        "",
        "What projects without an encoder begin with: the number of an earlier project, or a "
        "folder that export wrote.",
    )
    strategy: str = setting(
        "auto",
        "Query strategy; auto is the one that measured best, currently variance.",
        choices=STRATEGY_NAMES,
    )
    label_names: bool = setting(
        True,
        "Use the names of the labels before there are labels, and alongside the first ones.",
        advanced=True,
    )
    label_aliases: str = setting(
        "",
        "Former names of labels, whose annotations count on: Sprot=Sport; Busines=Business, or "
        'JSON such as {"a=b": "c"}.',
    )
    weak_labels: str = setting(
        "",
        "Fields of the tasks' data that hold labels from elsewhere, such as tags,category; how far "
        "they are right is learnt.",
    )
    weak_predictions: bool = setting(
        True,
        "Learn from the predictions of other programs in Label Studio, as far as they are right.",
        advanced=True,
    )
    guard: bool = setting(
        True,
        "Draw half of the first 45 tasks at random, and some while the model shows little skill.",
        advanced=True,
    )
    shortlist: int = setting(
        50, "Tasks put in order after each submit.", advanced=True, least=1, most=10_000
    )
    deep_shortlist: int = setting(
        200, "Tasks put in order after a deep round.", advanced=True, least=1, most=100_000
    )
    open_tasks: int = setting(
        2000,
        "Of a project with a dataset, at most so many open tasks stand in Label Studio.",
        advanced=True,
        least=20,
        most=100_000,
    )
    ray_address: str = setting(
        "",
        "Ray cluster that encodes and ranks datasets: auto (the one on this machine) or host:port; "
        "empty: the trainer does it.",
        advanced=True,
    )
    ray_worker_cpus: float = setting(
        1.0, "Processors of each worker on the Ray cluster.", advanced=True, least=0.01
    )
    ray_worker_gpus: float = setting(
        0.0,
        "GPUs of each worker on the Ray cluster; 0.5: two share one.",
        advanced=True,
        least=0.0,
    )
    audit_share: float = setting(
        0.1,
        "Share of tasks drawn at random to measure the model (validation).",
        least=0.0,
        most=0.9,
    )
    deep_round_first: int = setting(
        20,
        "Labels before the first deep round; 3 for each choice (at most 300) if that is more.",
        advanced=True,
        least=2,
    )
    deep_round_growth: float = setting(
        0.2,
        "Start another deep round when the labels have grown by this share.",
        advanced=True,
        least=0.01,
    )
    deep_rounds: bool = setting(
        True, "Fine-tune the encoder automatically; Start Training always does."
    )
    goal_metric: str = setting(
        "auto",
        "Metric of GOAL_SCORE; auto: accuracy, or micro_f1 where a task can have several labels.",
        choices=("auto", "accuracy", "micro_f1", "macro_f1", "sample_f1"),
    )
    goal_score: float = setting(
        0.0,
        "Report that labelling may stop when the metric's interval is above this; 0: never.",
        least=0.0,
        most=1.0,
    )
    goal_precision: float = setting(
        0.95,
        "Precision of what the model may label by itself.",
        least=0.5,
        most=0.999,
    )
    goal_confidence: float = setting(
        0.9,
        "Confidence with which that precision is promised.",
        advanced=True,
        least=0.5,
        most=0.999,
    )
    goal_coverage: float = setting(
        0.0,
        "Report that labelling may stop when the model can label this share of the open tasks at "
        "GOAL_PRECISION; 0: never.",
        least=0.0,
        most=1.0,
    )
    goal_labels: int = setting(
        0, "Report that labelling may stop after this many labels; 0: never.", least=0
    )
    goal_hours: float = setting(
        0.0,
        "Report that labelling may stop after this many hours of labelling; 0: never.",
        least=0.0,
    )
    goal_cost: float = setting(
        0.0,
        "Report that labelling may stop when the labels have cost this much; 0: never.",
        least=0.0,
    )
    label_price: float = setting(
        0.0, "What a label costs, in the money of GOAL_COST; 0: unknown.", least=0.0
    )
    goal_rounds: int = setting(
        0,
        "Report that labelling may stop after this many versions; 0: never.",
        advanced=True,
        least=0,
    )
    goal_kappa: float = setting(
        0.98,
        "Report that labelling may stop when three versions 10 % of labels apart agree this much.",
        advanced=True,
        least=0.0,
        most=1.0,
    )
    empty_is_none: bool = setting(
        False,
        "Multi-label only: an annotation without any label means 'none of these', not 'no answer'.",
    )
    count_copies: bool = setting(
        False,
        "What people say of a task counts for its near copies, too, which are not asked for then.",
    )
    keep_predictions_hours: float = setting(
        12.0,
        "Hours that old predictions stay for open pages that show one; after two, 5,000 at most.",
        advanced=True,
        least=0,
    )
    poll_seconds: float = setting(
        60.0,
        "Seconds between checks of Label Studio when no webhook arrives.",
        advanced=True,
        least=0.5,
    )
    trainer_timeout_minutes: float = setting(
        30.0,
        "The trainer is ended and started again after this many minutes without any progress.",
        advanced=True,
        least=0.05,
    )
    seed: int = setting(0, "Seed of all randomness.", advanced=True, least=0)
    basic_auth_user: str = setting("", "User name that Label Studio must send to the backend.")
    basic_auth_pass: str = setting(
        "", "Password that Label Studio must send to the backend.", exact=True
    )
    allowed_hosts: str = setting(
        "",
        "Names by which the backend may be reached, such as al.example.org,*.corp.example; without "
        "a password by default only local ones.",
    )
    host: str = setting("0.0.0.0", "Address to listen on.")
    port: int = setting(9090, "Port to listen on.", least=1, most=65535)
    threads: int = setting(8, "Requests answered at the same time.", advanced=True, least=2)
    log_level: str = setting(
        "INFO", "How much to log.", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = setting(
        "plain",
        "How to log: plain lines, or json with one object a line.",
        choices=("plain", "json"),
    )

    @property
    def studio_headers(self) -> Headers:
        """What a proxy before Label Studio wants to see with each request."""
        return headers_from(self.label_studio_headers)

    @property
    def own_url(self) -> str:
        """The backend's address on its own machine."""
        host = self.host.strip("[]")
        if host in EVERYWHERE:
            return f"http://localhost:{self.port}"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def password(self) -> tuple[str, str] | None:
        """The user name and the password that callers must send; None if none."""
        user = self.basic_auth_user
        return (user, self.basic_auth_pass) if user else None

    @property
    def weak_fields(self) -> tuple[str, ...]:
        """The fields of the tasks' data that hold weak labels."""
        names = (name.strip().removeprefix("$") for name in self.weak_labels.split(","))
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def aliases(self) -> dict[str, str]:
        """Former names of labels -> the names that they have now. Raises BadSetting."""
        text = self.label_aliases
        if not text.startswith("{"):
            return dict(_alias(pair) for pair in text.split(";") if pair.strip())
        try:
            found = json.loads(text)
        except ValueError as error:
            raise BadSetting(f"LABEL_ALIASES={text} is not valid JSON: {error}") from None
        if not all(isinstance(name, str) for name in found.values()):
            raise BadSetting(f"LABEL_ALIASES={text} must map each former name to one name")
        return dict(found)


def from_env(environ: Mapping[str, str]) -> Settings:
    """Settings from environment variables; an empty variable counts as not set. A user name and a
    password in Label Studio's address move into its headers, so that nothing shows them.

    Raises BadSetting, naming the variable, its value and what is allowed.
    """
    given: dict[str, Any] = {}
    for each in fields(Settings):
        name = each.name.upper()
        text = environ.get(name, "").strip("\r\n" if each.metadata.get("exact") else None)
        if text.strip():
            given[each.name] = _checked(name, text, type(each.default), each.metadata)
    settings = Settings(**given)
    _check_password(settings)
    _check_budget(settings)
    _ = settings.aliases  # refused now, and not in the middle of the work
    if '"' in settings.weak_labels:
        raise BadSetting(
            f"WEAK_LABELS={settings.weak_labels} must be names of fields with commas between them, "
            "such as tags,category, without quotation marks"
        )
    if any(letter in settings.allowed_hosts for letter in "/@"):
        raise BadSetting(
            f"ALLOWED_HOSTS={settings.allowed_hosts} must be names with commas between them, such "
            "as al.example.org,*.corp.example, without http:// before them; * allows any"
        )
    return _with_access(settings)


def _check_password(settings: Settings) -> None:
    if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
        raise BadSetting("BASIC_AUTH_USER and BASIC_AUTH_PASS must be set together, or neither")
    check_password(settings.basic_auth_user, settings.basic_auth_pass)


def _check_budget(settings: Settings) -> None:
    if bool(settings.goal_cost) != bool(settings.label_price):
        missing = "LABEL_PRICE" if settings.goal_cost else "GOAL_COST"
        raise BadSetting(
            f"{missing} is not set: what is spent is LABEL_PRICE for each label, and GOAL_COST is "
            "where it ends. Set both, such as LABEL_PRICE=0.08 and GOAL_COST=400, or neither"
        )


def _with_access(settings: Settings) -> Settings:
    """The same with what opens Label Studio in its place. Raises BadSetting."""
    url, key = settings.label_studio_url, settings.label_studio_api_key
    headers: Headers = ()
    if url:
        url, headers = apart(url, settings.studio_headers)
    elif key or settings.label_studio_headers:
        name = "LABEL_STUDIO_API_KEY" if key else "LABEL_STUDIO_HEADERS"
        raise BadSetting(
            f"{name} is set without LABEL_STUDIO_URL: it is sent only to an address that you name. "
            "Set LABEL_STUDIO_URL=http://your-label-studio:8080"
        )
    if key:
        check_token(key, headers)
    packed = json.dumps(dict(headers)) if headers else ""
    return replace(settings, label_studio_url=url, label_studio_headers=packed)


def _alias(pair: str) -> tuple[str, str]:
    """A former name and the name now, from `old=new`."""
    old, equals, new = (part.strip() for part in pair.partition("="))
    if not (old and equals and new):
        raise BadSetting(
            f"LABEL_ALIASES: {pair.strip()!r} must read old=new, as in Sprot=Sport; "
            'Busines=Business. Where a name has = or ; in it, write JSON: {"old": "new"}'
        )
    return old, new


def _checked(name: str, text: str, kind: type, limits: Mapping[str, Any]) -> Any:
    value = _parsed(name, text, kind)
    choices = limits.get("choices")
    if choices is not None and value not in choices:
        raise BadSetting(f"{name}={text} is not known; allowed: {', '.join(choices)}")
    least, most = limits.get("least"), limits.get("most")
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        bounds = f"at least {least}" + (f" and at most {most}" if most is not None else "")
        raise BadSetting(f"{name}={text} is out of range; it must be {bounds}")
    return value


def _parsed(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() not in known:
            raise BadSetting(f"{name}={text} is neither true nor false")
        return known[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            wanted = "a whole number" if kind is int else "a number"
            raise BadSetting(f"{name}={text} is not {wanted}") from None
    return Path(text) if issubclass(kind, Path) else text
