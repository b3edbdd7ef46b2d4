"""Settings: what is read, what is refused, and that a refusal shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from candela.errors import ConfigError
from candela.settings import Settings, load_settings, settings_reference

GOOD = "wq3-T7yU_p0Lk9Zx"


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set an environment that production accepts."""
    monkeypatch.setenv("CANDELA_ENVIRONMENT", "production")
    monkeypatch.setenv("CANDELA_DATABASE_URL", f"postgresql://svc:{GOOD}@db/candela")
    monkeypatch.setenv("CANDELA_REDIS_URL", f"rediss://:{GOOD}@cache:6379/0")
    return monkeypatch


def test_settings_when_nothing_is_set_then_servers_are_embedded() -> None:
    settings = load_settings()
    assert settings.is_embedded
    assert settings.redis_url is None
    assert settings.environment == "development"
    assert settings.state_dir.is_absolute()


def test_settings_when_a_variable_is_empty_then_it_counts_as_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANDELA_DATABASE_URL", "")
    assert load_settings().database_url is None


def test_settings_when_state_dir_is_relative_then_it_is_fixed_to_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CANDELA_STATE_DIR", "state")
    assert load_settings().state_dir == tmp_path / "state"


def test_settings_when_a_file_named_env_lies_around_then_it_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("CANDELA_LOG_LEVEL=ERROR\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().log_level == "INFO"


def test_settings_when_a_value_is_wrong_then_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANDELA_LOG_LEVEL", "LOUD")
    monkeypatch.setenv("CANDELA_DAGSTER_PORT", "99999")
    with pytest.raises(ConfigError, match=r"CANDELA_LOG_LEVEL.*CANDELA_DAGSTER_PORT"):
        load_settings()


def test_settings_when_a_name_is_misspelled_then_the_right_one_is_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANDELA_DATABSE_URL", "postgresql://x")
    with pytest.raises(ConfigError, match="Did you mean CANDELA_DATABASE_URL"):
        load_settings()


def test_settings_when_shown_then_no_secret_is_seen() -> None:
    settings = Settings(database_url=SecretStr(f"postgresql://u:{GOOD}@h/d"))
    assert GOOD not in repr(settings) + str(settings) + settings.model_dump_json()


def test_production_when_all_is_set_then_it_starts(production: pytest.MonkeyPatch) -> None:
    assert not load_settings().is_embedded


@pytest.mark.parametrize("name", ["CANDELA_DATABASE_URL", "CANDELA_REDIS_URL"])
def test_production_when_a_server_is_not_named_then_it_refuses(
    production: pytest.MonkeyPatch, name: str
) -> None:
    production.delenv(name)
    with pytest.raises(ConfigError, match=name):
        load_settings()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("CANDELA_DATABASE_URL", "postgresql://candela@db/candela"),
        ("CANDELA_DATABASE_URL", "postgresql://candela:@db/candela"),
        ("CANDELA_DATABASE_URL", "postgresql://postgres:postgres@db/candela"),
        ("CANDELA_DATABASE_URL", "postgresql://candela:Changeme123!@db/candela"),
        ("CANDELA_DATABASE_URL", "postgresql://candela:short8ch@db/candela"),
        ("CANDELA_DATABASE_URL", "postgresql://candela@db/candela?password=secret"),
        ("CANDELA_OWNER_DATABASE_URL", "postgresql://candela_owner:password1@db/candela"),
        ("CANDELA_DAGSTER_DATABASE_URL", "postgresql://dagster:test@db/dagster"),
        ("CANDELA_REDIS_URL", "redis://cache:6379/0"),
        ("CANDELA_REDIS_URL", "redis://:redis@cache:6379/0"),
    ],
)
def test_production_when_a_password_is_weak_then_it_refuses_and_does_not_show_it(
    production: pytest.MonkeyPatch, name: str, url: str
) -> None:
    production.setenv(name, url)
    with pytest.raises(ConfigError, match=name) as caught:
        load_settings()
    assert url not in str(caught.value)
    assert "Changeme123!" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("CANDELA_DATABASE_URL", "postgresql://svc@/candela?host=/run/postgresql"),
        ("CANDELA_DATABASE_URL", "postgresql://svc@db/candela?passfile=/run/secrets/pgpass"),
        ("CANDELA_REDIS_URL", "unix:///run/valkey/valkey.sock?db=0"),
    ],
)
def test_production_when_something_else_vouches_then_no_password_is_needed(
    production: pytest.MonkeyPatch, name: str, url: str
) -> None:
    production.setenv(name, url)
    assert load_settings().environment == "production"


def test_production_when_a_sandbox_stands_in_for_venues_then_it_refuses(
    production: pytest.MonkeyPatch,
) -> None:
    production.setenv("CANDELA_VENUE_GATEWAY", "127.0.0.1:8443")
    with pytest.raises(ConfigError, match="CANDELA_VENUE_GATEWAY"):
        load_settings()


def test_production_when_logs_are_at_debug_then_it_refuses(production: pytest.MonkeyPatch) -> None:
    production.setenv("CANDELA_LOG_LEVEL", "debug")
    with pytest.raises(ConfigError, match="CANDELA_LOG_LEVEL"):
        load_settings()


def test_reference_when_written_then_every_setting_has_its_meaning() -> None:
    text = settings_reference()
    for name, field in Settings.model_fields.items():
        assert f"`CANDELA_{name.upper()}`" in text
        assert field.description
