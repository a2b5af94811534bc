"""Settings: where values come from, and what a wrong one says."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config import reference
from config.environment import listed
from config.settings import Settings, WrongSetting, load


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the test's own settings count."""
    for name in [name for name in os.environ if name.startswith("WA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WA_DATA_DIR", str(tmp_path / "data"))


def test_defaults_need_nothing(tmp_path: Path) -> None:
    """Without any setting everything lives in the data directory."""
    settings = load()
    assert settings.database_url == f"sqlite://{tmp_path}/data/wa-api.sqlite3"
    assert settings.redis_url is None
    assert settings.http.host == "127.0.0.1"
    assert settings.network_names() == ["whatsapp", "sandbox"]


def test_a_variable_sets_one_field_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """WA_<GROUP>_<FIELD> is typed and lands in its group; the others keep their defaults."""
    monkeypatch.setenv("WA_SESSIONS_LEASE_SECONDS", "12.5")
    settings = load()
    assert settings.sessions.lease_seconds == 12.5
    assert settings.sessions.capacity == Settings().sessions.capacity


def test_networks_are_named_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign simulator is one variable away."""
    monkeypatch.setenv("WA_NETWORKS__LAB__PROXY_URL", "http://127.0.0.1:9999")
    settings = load()
    assert settings.network("lab").proxy_url == "http://127.0.0.1:9999"
    assert "lab" in settings.network_names()


def test_workers_of_some_networks_only_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that there are, unless they are named."""
    assert load().served_networks() == ["whatsapp", "sandbox"]
    monkeypatch.setenv("WA_SESSIONS_NETWORKS", "sandbox, whatsapp")
    assert load().served_networks() == ["sandbox", "whatsapp"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WA_HTTP_PORT", "eighty", "valid integer"),
        ("WA_HTTP_PORT", "70000", "less than or equal to 65535"),
        ("WA_HTP_PORT", "80", "did you mean WA_HTTP_PORT?"),
        ("WA_REDIS_URL", "http://user:hunter2@host", "must be a URL that begins with"),
        ("WA_REDIS_PREFIX", "{tag}", "letters, digits"),
        ("WA_AUTH_JWT_SECRET", "hunter2", "at least 32 bytes"),
        ("WA_AUTH_JWT_SECRET_FILE", "/nowhere/hunter2", "cannot be read"),
        ("WA_SESSIONS_NETWORKS", "whatsapp,lab", "there is no network `lab`"),
        ("WA_LOG_LEVEL", "loud", "must be 'debug', 'info', 'warning' or 'error'"),
        ("WA_NETWORKS__LAB__PROXY_URL", "hunter2", "String should match"),
        ("WA_NETWORKS__LAB", "x", "WA_NETWORKS__<NAME>__<FIELD>"),
        ("WA_SANDBOX_ENABLED", "perhaps", "valid boolean"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """The sentence begins with the variable, says what is expected, and keeps the value secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting) as caught:
        load()
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert said in text
    assert "hunter2" not in text
    assert "\n" not in text


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings shows no password."""
    monkeypatch.setenv("WA_DATABASE_URL", "postgres://user:hunter2@host/name")
    assert "hunter2" not in repr(load())


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """…_FILE reads the value of a secret setting, without its final newline."""
    (tmp_path / "secret").write_text("s" * 40 + "\n")
    monkeypatch.setenv("WA_AUTH_JWT_SECRET_FILE", str(tmp_path / "secret"))
    assert load().jwt_secret() == "s" * 40


def test_processes_that_start_together_agree_on_the_generated_secret() -> None:
    """The first writer wins, everybody reads the same, and nobody else may read it."""
    settings = load()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: settings.jwt_secret(), range(32)))
    assert len(found) == 1
    kept = settings.data / "jwt-secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700
    assert [path.name for path in settings.data.iterdir()] == ["jwt-secret"]


def test_an_unwritable_data_directory_is_said(tmp_path: Path) -> None:
    """A file in the way is reported as a setting, not as a traceback."""
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(WrongSetting, match=r"^WA_DATA_DIR: "):
        load().prepare()


def test_every_setting_is_documented() -> None:
    """No field without a description, and units are in the name or in the text."""
    for setting in listed(Settings):
        assert setting.field.description, setting.name


def test_the_reference_is_up_to_date() -> None:
    """docs/settings.md is what the code says (`make docs` writes it)."""
    written = Path(__file__).parents[3] / "docs" / "settings.md"
    assert written.read_text() == reference.markdown()
