"""Every setting: typed, documented, read once where a process starts.

    settings = load()          # raises WrongSetting: one sentence that names the setting

`WA_SESSIONS_LEASE_SECONDS=10` sets `settings.sessions.lease_seconds`; networks are set as
`WA_NETWORKS__<NAME>__PROXY_URL`. A secret may come from a file: `WA_AUTH_JWT_SECRET_FILE`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config import environment
from config.environment import WrongSetting
from config.groups import (
    Auth,
    Database,
    Events,
    Http,
    Log,
    Media,
    Network,
    Redis,
    Sandbox,
    Serve,
    Sessions,
    Webhooks,
    listed,
)

__all__ = ["Network", "Settings", "WrongSetting", "load"]

WHATSAPP, SANDBOX = "whatsapp", "sandbox"


class _Environment(PydanticBaseSettingsSource):
    """Reads `WA_…` variables; an unknown one is an error, since a misspelt limit is no limit."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # unused: __call__ reads everything at once

    def __call__(self) -> dict[str, Any]:
        return environment.read(self.settings_cls, os.environ)


class Settings(BaseSettings):
    """The settings of a gateway."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False
    )

    data_dir: Path = Field(
        default=Path("data"),
        description="Directory for everything that is kept on disk: device stores (keys to "
        "people's accounts), the SQLite database, generated secrets. Made with mode 0700.",
    )
    worker_id: str = Field(
        default="",
        description="Name of this process in the fleet (`wrk_…`). Set by the supervisor; unset: "
        "made up at start.",
        pattern=r"^[A-Za-z0-9_.-]{0,64}$",
    )
    database: Database = Database()
    redis: Redis = Redis()
    http: Http = Http()
    auth: Auth = Auth()
    sessions: Sessions = Sessions()
    events: Events = Events()
    webhooks: Webhooks = Webhooks()
    media: Media = Media()
    sandbox: Sandbox = Sandbox()
    serve: Serve = Serve()
    log: Log = Log()
    networks: dict[str, Network] = Field(
        default_factory=dict, description="Networks other than WhatsApp itself, by name."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only explicit arguments and the environment."""
        return init_settings, _Environment(settings_cls)

    @property
    def data(self) -> Path:
        """The data directory, absolute."""
        return self.data_dir.expanduser().absolute()

    @property
    def database_url(self) -> str:
        """What is set, or the SQLite file in the data directory. May hold a password."""
        if self.database.url is None:
            return f"sqlite://{self.data / 'wa-api.sqlite3'}"
        return self.database.url.get_secret_value()

    @property
    def redis_url(self) -> str | None:
        """What is set; None: the embedded server. May hold a password."""
        return self.redis.url.get_secret_value() if self.redis.url else None

    @property
    def network_file(self) -> Path:
        """Where our own sandbox says how to reach it (the fields of Network, as JSON)."""
        return self.data / "sandbox" / "network.json"

    @property
    def media_folder(self) -> Path:
        """Where media are kept, or (with S3) only come in and go out."""
        url = self.media.url or ""
        return Path(url.removeprefix("file://")) if url.startswith("file:") else self.data / "media"

    def media_options(self) -> dict[str, Any]:
        """What `wa_api.shelf.MediaOptions` is made of."""
        chosen, secret = self.media, self.media.s3_secret_access_key
        same = ("url", "s3_endpoint", "s3_region", "s3_access_key_id", "max_bytes")
        return {
            **{name: getattr(chosen, name) for name in (*same, "fetch_seconds", "convert_seconds")},
            "folder": self.media_folder,
            "s3_secret_access_key": secret.get_secret_value() if secret else None,
            "allowed": tuple(chosen.allowed),
        }

    def network_names(self) -> list[str]:
        """Networks that sessions may be created on."""
        own = [SANDBOX] if self.sandbox.enabled else []
        return list(dict.fromkeys([WHATSAPP, *own, *self.networks]))

    def served_networks(self) -> list[str]:
        """Networks that `serve` runs session workers of; raises WrongSetting."""
        wanted, known = listed(self.sessions.networks), self.network_names()
        if unknown := [name for name in wanted if name not in known]:
            raise WrongSetting(f"WA_SESSIONS_NETWORKS: there is no network `{unknown[0]}`.")
        return wanted or known

    def network(self, name: str) -> Network:
        """Where a network is. The own sandbox writes that into the data directory when it runs.

        Raises WrongSetting for an unknown network, or when the sandbox has not run yet.
        """
        if name in self.networks:
            return self.networks[name]
        if name not in self.network_names():
            raise WrongSetting(f"WA_NETWORKS__{name.upper()}__PROXY_URL: no such network is set.")
        if name == WHATSAPP:
            return Network()
        try:
            said = orjson.loads(self.network_file.read_bytes())
            return Network.model_validate({field: said[field] for field in Network.model_fields})
        except (OSError, ValueError, KeyError, TypeError):
            raise WrongSetting(
                "WA_NETWORKS__SANDBOX__PROXY_URL: the sandbox has not run in this data directory."
            ) from None

    def prepare(self) -> Path:
        """Make the data directory (mode 0700) and return it; raises WrongSetting."""
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WrongSetting(f"WA_DATA_DIR: cannot be made ({error.strerror}).") from None
        if not os.access(self.data, os.R_OK | os.W_OK | os.X_OK):
            raise WrongSetting("WA_DATA_DIR: this user may not write there.")
        return self.data

    def jwt_secret(self) -> str:
        """What is set, or 32 random bytes kept in the data directory (mode 0600)."""
        if self.auth.jwt_secret is not None:
            return self.auth.jwt_secret.get_secret_value()
        return _kept_secret(self.prepare() / "jwt-secret")

    def sealing_keys(self) -> list[str]:
        """What seals secrets in the database (the first), and what may have sealed them before."""
        own = self.webhooks.secret_key
        return [*([own.get_secret_value()] if own else []), self.jwt_secret()]


def _kept_secret(path: Path) -> str:
    """The secret in a file, made on first use; processes that start together agree on one."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)  # unlike a rename, this fails when somebody was faster
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    secret = path.read_text().strip()
    if len(secret) < 32:
        raise WrongSetting(f"WA_AUTH_JWT_SECRET: the generated secret in {path} is damaged.")
    return secret


def load(**over: Any) -> Settings:
    """Read the environment (`over` replaces top-level groups); raises WrongSetting."""
    try:
        settings = Settings(**over)
    except ValidationError as error:
        raise WrongSetting(environment.sentence(error)) from None
    settings.served_networks()
    return settings
