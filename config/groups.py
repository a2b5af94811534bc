"""The groups of settings: one class per subject, one documented field per setting.

A field's environment variable is `WA_<GROUP>_<FIELD>`; its description is its documentation.
One file, so that docs/settings.md has its order from here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr


def _one_of(schemes: frozenset[str]) -> AfterValidator:
    """Check that a URL begins with one of `schemes`; the value itself is never repeated."""

    def check(url: SecretStr) -> SecretStr:
        scheme, found, _ = url.get_secret_value().partition("://")
        if not found or scheme not in schemes:
            raise ValueError(f"must be a URL that begins with {', '.join(sorted(schemes))} and ://")
        return url

    return AfterValidator(check)


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < 32:
        raise ValueError("must have at least 32 bytes (RFC 7518, 3.2)")
    return secret


def _plain_prefix(prefix: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,40}", prefix):
        raise ValueError("must be 1 to 40 letters, digits or _ . : -")
    return prefix


DatabaseUrl = Annotated[SecretStr, _one_of(frozenset({"sqlite", "postgres", "postgresql"}))]
RedisUrl = Annotated[
    SecretStr,
    _one_of(
        frozenset(
            {"redis", "rediss", "unix"}
            | {
                f"{scheme}+{kind}"
                for scheme in ("redis", "rediss")
                for kind in ("sentinel", "cluster")
            }
        )
    ),
]
JwtSecret = Annotated[SecretStr, AfterValidator(_long_enough)]


def listed(text: str) -> list[str]:
    """What is separated by commas."""
    return [one.strip() for one in text.split(",") if one.strip()]


def _media_url(url: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?|file:///[^?#]+", url):
        raise ValueError("must be s3://bucket/prefix or file:///absolute/path")
    return url


def _media_kinds(text: str) -> str:
    known = {"image", "video", "audio", "document", "sticker"}
    if not set(listed(text)) <= known:
        raise ValueError(f"must be some of {', '.join(sorted(known))}, separated by commas")
    return text


class Group(BaseModel):
    """Settings about one subject; read-only once loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Database(Group):
    """Where rows are kept."""

    url: DatabaseUrl | None = Field(
        default=None,
        description="`postgres://user:password@host:5432/name`, or `sqlite:///absolute/path`. "
        "Unset: a SQLite file in the data directory (one machine only).",
    )
    pool_size: int = Field(
        default=8, ge=1, le=200, description="Most PostgreSQL connections that one process holds."
    )


class Redis(Group):
    """Where processes meet."""

    url: RedisUrl | None = Field(
        default=None,
        description="`redis://`, `rediss://`, `unix://`, "
        "`redis+sentinel://host:26379,host2:26379/master/0` or `redis+cluster://host:6379,host2:6379`."
        " Version 7.0 or newer, or Valkey. Unset: `serve` starts a server of its own on a Unix "
        "socket (one machine only).",
    )
    prefix: Annotated[str, AfterValidator(_plain_prefix)] = Field(
        default="wa:",
        description="Put before every key and channel, so that gateways can share a server.",
    )
    timeout_seconds: float = Field(
        default=2.0,
        gt=0,
        le=30,
        description="Seconds after which a server that does not answer counts as away.",
    )


class Http(Group):
    """The HTTP processes."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. Use `0.0.0.0` only behind a proxy that speaks TLS.",
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    workers: int = Field(default=2, ge=1, le=256, description="HTTP processes; about one per core.")
    proxies: int = Field(
        default=0,
        ge=0,
        le=16,
        description="Proxies in front that add to `X-Forwarded-For`: how many addresses, counted "
        "from the end, are theirs. Callers' addresses then stand in the audit trail, slow down "
        "who guesses passwords, and are those from which API keys may be used.",
    )
    max_body_bytes: int = Field(
        default=1_048_576, ge=1024, description="Bytes that a JSON request body may have."
    )
    request_seconds: float = Field(
        default=30.0, gt=0, description="Seconds within which a client must have sent its request."
    )
    drain_seconds: float = Field(
        default=3.0,
        ge=0,
        description="Seconds that requests in flight get to finish when stopping.",
    )
    sockets: int = Field(
        default=10_000,
        ge=1,
        description="WebSocket and SSE connections that one HTTP process takes.",
    )
    sockets_per_caller: int = Field(
        default=1_000,
        ge=1,
        description="Of these, how many one user or API key may hold open in one HTTP process.",
    )
    requests_per_second: float = Field(
        default=0.0,
        ge=0,
        description="API requests (WebSocket commands among them) that one user or API key may "
        "make, over all HTTP processes together, after a burst of two seconds' worth; 0: any "
        "number. A key may have its own limit.",
    )
    tenant_requests_per_second: float = Field(
        default=0.0,
        ge=0,
        description="The same for all callers of one tenant together. A tenant may have its own "
        "limit.",
    )
    frames_per_second: float = Field(
        default=500.0,
        gt=0,
        description="WebSocket frames that one user or API key may send to one HTTP process, "
        "after a burst of two seconds' worth.",
    )
    frame_bytes: int = Field(
        default=524_288,
        ge=4_096,
        description="Bytes that a client's WebSocket frame may have. A text message of 64 KiB "
        "needs up to six times that, escaped as JSON.",
    )
    buffer_bytes: int = Field(
        default=4_194_304,
        ge=65_536,
        description="Bytes that may wait for one slow reader before it is cut off (4008).",
    )
    heartbeat_seconds: float = Field(
        default=20.0,
        gt=0,
        le=300,
        description="Seconds between pings on a WebSocket or SSE connection.",
    )


class Auth(Group):
    """Who may call."""

    jwt_secret: JwtSecret | None = Field(
        default=None,
        description="Signs access tokens (HS256), at least 32 bytes; the same on every machine. "
        "Unset: generated once into the data directory.",
    )
    jwks_url: str | None = Field(
        default=None,
        description="Also accept RS256, ES256 and EdDSA tokens signed by a key of this JWKS "
        "document (https).",
        pattern=r"^https?://",
    )
    issuer: str = Field(default="wa-api", description="`iss` of access tokens.")
    audience: str = Field(default="wa-api", description="`aud` of access tokens.")
    access_token_seconds: int = Field(
        default=900, ge=30, le=86_400, description="Seconds that an access token is valid."
    )
    refresh_token_seconds: int = Field(
        default=2_592_000, ge=60, description="Seconds that a refresh token is valid (30 days)."
    )
    one_time_token_seconds: int = Field(
        default=86_400, ge=60, description="Seconds that the first administrator token is valid."
    )


class Sessions(Group):
    """The session workers."""

    workers: int = Field(
        default=2,
        ge=1,
        le=256,
        description="Session worker processes per network that `serve` runs.",
    )
    networks: str = Field(
        default="",
        description="Networks that `serve` runs session workers of, separated by commas (empty: "
        "all). Sessions of another one wait for workers elsewhere.",
    )
    capacity: int = Field(
        default=100,
        ge=1,
        le=2000,
        description="Sessions that one worker takes at most. Small is better: a fault in the "
        "engine ends its whole process.",
    )
    lease_seconds: float = Field(
        default=6.0,
        ge=1,
        le=120,
        description="Seconds after which the sessions of a host that vanished are free for others.",
    )
    send_seconds: float = Field(
        default=3600.0,
        ge=1,
        description="Seconds that an accepted message may wait for its session to be online "
        "before it expires, unless the request says `expires_in`.",
    )
    queue_limit: int = Field(
        default=10_000,
        ge=1,
        le=100_000,
        description="Messages of one session that may wait or be scheduled; more are refused "
        "(`queue_full`). Each takes about half a kilobyte in its session's worker.",
    )
    restriction_seconds: float = Field(
        default=3600.0,
        gt=0,
        le=86_400,
        description="Seconds for which messages to new contacts are held after WhatsApp refused "
        "one (error 463); twice as long each time that it goes on, up to a day.",
    )
    contacts_seconds: float = Field(
        default=900.0,
        ge=0.1,
        le=86_400,
        description="Seconds, about, between two readings of the phone's address book, which tells "
        "no changes: how late a new name may show. One of 10,000 contacts costs its worker a tenth "
        "of a second of processor time.",
    )
    command_seconds: float = Field(
        default=15.0, ge=1, le=60, description="Seconds that a caller waits for a session's answer."
    )
    allow_private: str = Field(
        default="",
        description="Networks, addresses and host names, separated by commas, at which sessions' "
        "own proxies may be although they are not on the internet.",
    )
    starts_per_second: float = Field(
        default=50.0, gt=0, description="Sessions that one worker connects per second at most."
    )
    drain_seconds: float = Field(
        default=3.5,
        gt=0,
        le=600,
        description="Seconds that a worker which is told to stop has for handing its sessions "
        "over; less than what whoever started it waits before killing it "
        "(`WA_SERVE_STOP_SECONDS`).",
    )

    @property
    def allowed(self) -> list[str]:
        """`allow_private` as a list."""
        return listed(self.allow_private)


class Events(Group):
    """The event log."""

    live_entries: int = Field(
        default=10_000,
        ge=100,
        description="Events per tenant kept in Redis for readers that resume.",
    )
    retention_days: float = Field(
        default=7.0,
        gt=0,
        description="Days that events stay in the database, unless their tenant has its own.",
    )
    audit_days: float = Field(
        default=365.0, gt=0, description="Days that the audit trail is kept (`GET /v1/audit`)."
    )


def _durations(text: str) -> str:
    try:
        good = all(float(one) > 0 for one in text.split(","))
    except ValueError:
        good = False
    if not good:
        raise ValueError("must be numbers of seconds, separated by commas")
    return text


class Webhooks(Group):
    """Deliveries to tenants' HTTP endpoints."""

    allow_private: str = Field(
        default="",
        description="Networks, addresses and host names, separated by commas, that webhooks may "
        "reach although they are not on the internet: `10.1.0.0/16,n8n.internal`.",
    )
    allow_http: bool = Field(
        default=False, description="Allow `http://` endpoints: anybody on the way can read them."
    )
    retry_seconds: Annotated[str, AfterValidator(_durations)] = Field(
        default="5,30,120,600,1800,3600,7200,14400,28800,43200,86400,86400",
        description="Seconds after each failed attempt before the next (jittered by 15 %); after "
        "the last the event is a dead letter. The default takes about three days.",
    )
    pause_seconds: float = Field(
        default=259_200.0,
        gt=0,
        description="Seconds without any success after which a webhook whose endpoint is down is "
        "paused (3 days).",
    )
    per_tenant: int = Field(default=20, ge=1, description="Webhooks that a tenant may have.")
    log_days: float = Field(default=7.0, gt=0, description="Days that the delivery log is kept.")
    dead_letter_days: float = Field(
        default=30.0, gt=0, description="Days that dead letters are kept."
    )
    secret_key: JwtSecret | None = Field(
        default=None,
        description="Seals webhooks' secrets and headers and sessions' proxies in the database, at least 32 bytes; the "
        "same on every machine. Unset: derived from the secret that signs access tokens; set this "
        "before you change that one.",
    )

    @property
    def schedule(self) -> list[float]:
        """`retry_seconds` as numbers."""
        return [float(one) for one in self.retry_seconds.split(",")]

    @property
    def allowed(self) -> list[str]:
        """`allow_private` as a list."""
        return listed(self.allow_private)


class Media(Group):
    """Files that messages carry."""

    url: Annotated[str, AfterValidator(_media_url)] | None = Field(
        default=None,
        description="Where they are kept: `s3://bucket/prefix`, or `file:///absolute/path` that "
        "all machines share. Unset: `media` in the data directory (one machine only).",
    )
    s3_endpoint: str | None = Field(
        default=None,
        description="Address of an S3-compatible server. Unset: Amazon's.",
        pattern=r"^https?://",
    )
    s3_region: str = Field(default="us-east-1", description="The bucket's region.")
    s3_access_key_id: str | None = Field(
        default=None,
        description="Key to the bucket. Unset: as usual for AWS (`AWS_…` variables, roles).",
    )
    s3_secret_access_key: SecretStr | None = Field(default=None, description="The key's secret.")
    max_bytes: int = Field(
        default=104_857_600,
        ge=1024,
        le=1_073_741_824,
        description="Bytes of one file that the gateway takes, by upload, link or message "
        "(WhatsApp's own limits per kind come on top).",
    )
    retention_days: float = Field(
        default=30.0,
        gt=0,
        description="Days after its last use that a file is kept, for tenants without "
        "`retention_days` of their own.",
    )
    url_seconds: int = Field(
        default=900,
        ge=30,
        le=86_400,
        description="Seconds that a link to media is good for without a token (at least; at most "
        "twice as long).",
    )
    fetch_seconds: float = Field(
        default=30.0, gt=0, le=300, description="Seconds that fetching a `link` may take."
    )
    allow_private: str = Field(
        default="",
        description="Networks, addresses and host names, separated by commas, that links may "
        "lead to although they are not on the internet.",
    )
    download: Annotated[str, AfterValidator(_media_kinds)] = Field(
        default="image,audio,sticker",
        description="Kinds that are fetched from WhatsApp as soon as they arrive, separated by "
        "commas: `image`, `video`, `audio`, `document`, `sticker`; empty: none. A session's "
        "settings may say otherwise; the rest is fetched when asked for.",
    )
    download_bytes: int = Field(
        default=16_777_216,
        ge=0,
        description="Bytes up to which such a file is fetched as soon as it arrives.",
    )
    convert_seconds: float = Field(
        default=60.0, ge=1, le=600, description="Seconds that converting one file may take."
    )

    @property
    def allowed(self) -> list[str]:
        """`allow_private` as a list."""
        return listed(self.allow_private)

    @property
    def policy(self) -> dict[str, Any]:
        """`download` and `download_bytes` as a session's settings say them."""
        return {"kinds": listed(self.download), "max_bytes": self.download_bytes}


class Sandbox(Group):
    """The WhatsApp network without phones."""

    enabled: bool = Field(
        default=True, description="Allow sessions with `network: sandbox`, and run that network."
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that the sandbox listens on. Not for the internet.",
    )
    port: int = Field(default=0, ge=0, le=65535, description="Its port; 0 takes a free one.")


class Serve(Group):
    """The supervisor: `wa-api serve` with all roles."""

    hung_seconds: float = Field(
        default=9.0,
        ge=7,
        description="Seconds without a heartbeat after which a process is killed and replaced.",
    )
    drain_seconds: float = Field(
        default=20.0,
        gt=0,
        description="Seconds that a process gets to hand over its work at a rolling restart.",
    )
    stop_seconds: float = Field(
        default=4.0,
        gt=0,
        le=60,
        description="Seconds within which everything stops; what has not stopped then is killed.",
    )
    backoff_seconds: float = Field(
        default=15.0,
        ge=0,
        description="Longest pause before a process that keeps dying is started again.",
    )


class Log(Group):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important lines that are written."
    )
    format: Literal["auto", "json", "human"] = Field(
        default="auto", description="`json`, `human`, or `auto`: human on a terminal, else json."
    )


class Network(Group):
    """One network that sessions can connect to, set as `WA_NETWORKS__<NAME>__<FIELD>`."""

    proxy_url: str | None = Field(
        default=None,
        description="HTTP CONNECT proxy that leads there. Unset: straight to WhatsApp.",
        pattern=r"^https?://[^/]+/?$",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed the network's certificate."
    )
    noise_root_key_file: Path | None = Field(
        default=None, description="File with the 32 bytes of the network's Noise root key."
    )
