"""The document is a contract: a typed client that a program makes of it does a person's work."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from api.app import create_app
from api.limiting.limits import LIMITS
from api.opening import ApiParts
from api.state import ApiOptions
from tests.api.bots.making import CONFIG
from tests.fixtures.api import SIGNING
from tests.fixtures.logins import PASSWORD, enrolled
from tests.fixtures.served import served

if TYPE_CHECKING:
    from candela.clock import FixedClock
    from candela.vault.masterkeys import MasterKeys
    from tests.fixtures.api import Api

NAME = "candela_client"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make the client of the document; return its folder and what the generator said."""
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    app = create_app(ApiOptions(), lambda: None)  # pyright: ignore[reportArgumentType] - never run
    document.write_text(json.dumps(app.openapi()), encoding="utf-8")
    options = folder / "options.yml"
    # It knows no archives, and would leave their routes without an answer.
    options.write_text("content_type_overrides:\n  application/zip: application/octet-stream\n")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("openapi-python-client")), "generate"),
            *("--path", str(document), "--output-path", str(folder / NAME), "--meta", "none"),
            *("--config", str(options)),
        ],
        capture_output=True,
        check=False,
        text=True,
        # The generator formats what it wrote with the ruff of the same environment.
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_document_always_is_understood_whole_by_the_generator(made: tuple[Path, str]) -> None:
    assert "WARNING" not in made[1], made[1]


def test_generated_client_when_it_makes_a_bot_gets_typed_answers(
    made: tuple[Path, str],
    api: Api,
    redis_url: str,
    api_clock: FixedClock,
    masters: MasterKeys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(made[0])  # pyright: ignore[reportUnknownMemberType] - theirs
    enrolled(api)

    def operation(name: str) -> Any:
        return importlib.import_module(f"{NAME}.api.{name}")

    client: Any = importlib.import_module(NAME)
    models: Any = importlib.import_module(f"{NAME}.models")
    parts = ApiParts(
        database=api.database,
        redis_url=redis_url,
        clock=api_clock,
        signing=SIGNING,
        masters=lambda: masters,
        options=ApiOptions(limits=LIMITS.times(1_000)),
    )
    with served(parts) as (address, _), client.Client(base_url=address) as stranger:
        given = models.LoginGiven(email="ada@example.com", password=PASSWORD)
        tokens = operation("sessions.log_in").sync(client=stranger, body=given)
        assert isinstance(tokens, models.Tokens)
        with client.AuthenticatedClient(base_url=address, token=tokens.access_token) as ada:
            (account,) = operation("accounts.list_accounts").sync(client=ada).items
            assert isinstance(account, models.AccountShown)
            wanted = models.BotIn(
                name="one",
                account_id=account.account_id,
                config=models.BotConfig.from_dict(CONFIG),
            )
            key = uuid4().hex
            create = operation("bots.create_bot").sync
            bot = create(client=ada, body=wanted, idempotency_key=key)
            assert isinstance(bot, models.BotWithConfig)
            assert create(client=ada, body=wanted, idempotency_key=key).bot_id == bot.bot_id
            (listed,) = operation("bots.list_bots").sync(client=ada).items
            assert isinstance(listed, models.BotOut)
            assert (listed.bot_id, Decimal(listed.capital)) == (bot.bot_id, Decimal(50))
            refused = create(client=ada, body=wanted, idempotency_key=uuid4().hex)
            assert isinstance(refused, models.Problem)
            assert refused.status in {403, 409}
