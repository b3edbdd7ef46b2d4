"""The journey of a new person over the API, with every process that `candela up` starts."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import httpx2
import pytest
from pyotp.totp import TOTP

from candela.candles.store import CandleStore
from candela.db.migrate import migrate
from candela.embedded import open_places
from candela.settings import Settings
from pipelines.resources import Platform
from pipelines.up.demo import Demo
from sandbox.statefile import Running, read_state
from tests.fixtures.candles import HOUR, batch, made_up
from tests.journeys.newcomer import Newcomer, until
from tests.pipelines.requesting import SPEC, execute, keys, look

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

# Real servers and six processes come up and go down again.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_CAPITAL: Final = "30"


class House:
    """What runs: the demonstration over servers of its own, and what it says to a person."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        places = open_places(Settings(state_dir=state_dir))
        migrate(places.database)
        self.platform = Platform(database=places.database, redis_url=places.redis_url)
        kept = {name: text for name, text in os.environ.items() if name[:8] != "CANDELA_"}
        self.environment = kept | {"CANDELA_STATE_DIR": str(state_dir)}
        self.demo = Demo(state_dir / "demo", self.environment, 0)

    def open(self) -> None:
        self.said = self.demo.start()
        self.running: Running = read_state(self.state_dir)
        (self.address,) = re.findall(r"The API: (\S+)/api/v1,", self.said)

    @contextmanager
    def newcomer(self, email: str, password: str, token: str = "") -> Generator[Newcomer]:
        with httpx2.Client(timeout=90) as client:
            yield Newcomer(self.address, email, password, client, token)

    @contextmanager
    def person(self, email: str) -> Generator[Newcomer]:
        """Log somebody in whom the demonstration made, by the password that it printed."""
        (password,) = re.findall(rf"{email}, password (\S+)", self.said)
        with self.newcomer(email, password) as found:
            found.log_in()
            yield found

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "candela.commands.app", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def house(state_dir: Path) -> Iterator[House]:
    """Everything that `candela up` shows, without Dagster's processes."""
    made = House(state_dir)
    with made.demo:
        made.open()
        yield made


def test_newcomer_when_going_through_everything_then_each_step_answers_as_promised(
    house: House,
) -> None:
    show_what_was_printed(house)
    with house.newcomer("ada@example.com", "three unlikely words") as ada:
        come_in(ada, house.running)
        on_free(ada)
        first, second = trade_on_paper(ada)
        upgrade(ada, second)
        connect_the_venue(ada, house.running)
        backtest(ada, house)
        program(ada, house)
        be_stopped(ada, house, first)
        leave(ada, house.running)


def show_what_was_printed(house: House) -> None:
    """Log in as the trader whose password was printed; type the commands that were printed."""
    with house.person("trader@localhost") as trader:
        (bot,) = trader.get("/bots")["items"]
        assert (bot["name"], bot["wanted"]) == ("demo", "running")
    (status,) = re.findall(r"candela (bot status .*?)  ", house.said)
    assert house.command(*status.split()).startswith("demo")


def come_in(ada: Newcomer, running: Running) -> None:
    """Register, verify, log in, turn the second factor on."""
    weak = ada.post("/auth/register", {"email": ada.email, "password": "password"}, status=422)
    assert weak["code"] == "weak_password"
    assert [one["field"] for one in weak["faults"]] == ["body.password"]
    wish = {"email": ada.email, "password": ada.password, "zone": "Europe/Madrid"}
    ada.post("/auth/register", wish, status=202)
    text = ada.mail(running, "Confirm your address")
    credentials = {"email": ada.email, "password": ada.password}
    ada.post("/auth/login", credentials, status=401)
    token = text.partition("#token=")[2].split()[0]
    ada.post("/auth/email/verify", {"token": token}, status=204)
    again = ada.post("/auth/email/verify", {"token": token}, status=422)
    assert [one["field"] for one in again["faults"]] == ["body.token"]
    ada.log_in()
    setup = ada.post("/auth/2fa/setup", {"password": ada.password}, status=200)
    on = ada.post("/auth/2fa/confirm", {"code": TOTP(setup["secret"]).now()}, status=200)
    assert len(on["recovery_codes"]) == 10
    ada.token = on["access_token"]
    me = ada.get("/users/me")
    assert (me["plan"], me["has_second_factor"], me["zone"]) == ("free", True, "Europe/Madrid")


def on_free(ada: Newcomer) -> None:
    """Meet the limits of the plan: no keys, no tokens, each with the plan that has them."""
    key = {"label": "main", "venue": "binance", "mode": "live", "api_key": "k" * 64}
    no = ada.post("/keys/exchange", key | {"secret": "s" * 64}, status=403)
    assert (no["code"], no["hint"]) == ("plan_limit_reached", "The plan basic includes it.")
    assert ada.post("/tokens", {"name": "mine", "scopes": ["read"]}, status=403)["code"] == (
        "plan_limit_reached"
    )


def trade_on_paper(ada: Newcomer) -> tuple[str, str]:
    """Make a bot, start it, follow it to its first trade; trade by hand; meet the limit of bots."""
    (account,) = ada.get("/accounts")["items"]
    assert (account["mode"], account["balances"][0]["total"]) == ("paper", "100")

    def bot(name: str, **parameters: object) -> dict[str, Any]:
        config = {
            "strategy": "dca",
            "instrument": "binance:BTC/USDT",
            "timeframe": "1m",
            "capital": _CAPITAL,
            "sizing": {"kind": "fixed_value", "value": 20},
            "parameters": {"share": 0} | parameters,
        }
        return {"name": name, "account_id": account["account_id"], "config": config}

    wrong = ada.post("/bots", bot("first", every=0, target="far"), status=422)
    fields = [one["field"] for one in wrong["faults"]]
    assert fields == ["body.config.parameters.every", "body.config.parameters.target"]
    first = ada.post("/bots", bot("first", every=1, target=0.5), status=201)["bot_id"]
    second = ada.post("/bots", bot("second", every=1, target=0.5), status=201)["bot_id"]

    lines = ada.lines(first)
    assert next(lines) == {"type": "open"}
    assert ada.post(f"/bots/{first}/start", status=202)["wanted"] == "running"
    fill = next(line for line in lines if line["event"] == "fill")
    lines.close()
    assert re.fullmatch(r"buy 0\.\d*[1-9] BTC/USDT at \d+(\.\d*[1-9])?", fill["message"])
    status = ada.get(f"/bots/{first}/status")
    assert (status["words"], status["position"]["symbol"]) == ("running", "BTC/USDT")
    (position,) = ada.get("/positions")["items"]
    (trade,) = ada.get("/trades")["items"]
    assert position["quantity"] == trade["quantity"] == status["position"]["quantity"]
    # The journal is written in batches, after the line was told.
    logs = f"/bots/{first}/logs"
    until(
        lambda: {one["event"] for one in ada.get(logs)["items"]} >= {"intent", "fill"},
        "the lines of the fill",
    )
    assert ada.get("/metrics")["zone"] == "Europe/Madrid"

    order = {"kind": "spot", "account_id": account["account_id"], "symbol": "BTC/USDT"}
    asked = ada.post("/orders?wait=10", order | {"side": "buy", "quantity": "0.001"}, status=202)
    path = f"/orders/{asked['request_id']}"
    until(lambda: ada.get(path)["is_final"], "the end of an order by hand")
    done = ada.get(path)
    assert (done["executed"], len(done["fills"])) == ("0.001", 1)

    no = ada.post(f"/bots/{second}/start", status=403)
    assert no["detail"] == "2 active bots with this one; limit of the plan free: 1."
    assert no["hint"] == "The plan basic includes it; or free what is in use."
    return first, second


def upgrade(ada: Newcomer, second: str) -> None:
    """Buy a plan at Stripe; its limits hold when the webhook has come."""
    page = ada.post("/billing/checkout", {"plan": "pro", "interval": "month"}, status=201)
    assert ada.get("/billing/subscription")["plan"] == "free"
    ada.press(page["url"], "pay")
    until(lambda: ada.get("/billing/subscription")["plan"] == "pro", "the plan pro")
    ada.post(f"/bots/{second}/start", status=202)
    until(lambda: ada.get(f"/bots/{second}/status")["is_active"], "the second bot")
    (invoice,) = until(lambda: ada.get("/billing/invoices")["items"], "an invoice")
    assert (invoice["status"], invoice["paid"], invoice["ccy"]) == ("paid", "99", "USD")
    (payment,) = until(lambda: ada.get("/billing/payments")["items"], "a payment")
    assert (payment["amount"], payment["last_four"]) == ("99", "4242")
    portal = ada.post("/billing/portal", status=201)
    assert "active" in ada.client.get(portal["url"]).text
    ended = ada.post("/billing/cancel", status=200)
    assert (ended["status"], ended["in_force"]) == ("cancelled", True)


def connect_the_venue(ada: Newcomer, running: Running) -> None:
    """Store a key that the executor finds good, and one that may withdraw."""

    def stored(label: str, key: str, secret: str) -> dict[str, Any]:
        place = {"label": label, "venue": "binance", "mode": "live"}
        made = ada.post("/keys/exchange", place | {"api_key": key, "secret": secret}, status=201)
        path = f"/keys/exchange/{made['key_id']}"
        until(lambda: made["tested"] or ada.get(path)["tested"], "the venue's answer")
        return made if made["tested"] else ada.get(path)

    good = stored("main", running.key, running.secret)
    assert (good["state"], good["rights"]["can_withdraw"]) == ("good", False)
    greedy = httpx2.post(
        f"{running.control_url}/control/accounts",
        json={"name": "greedy", "balances": {"USDT": "1000"}, "can_withdraw": True},
    ).json()
    bad = stored("greedy", greedy["key"], greedy["secret"])
    assert (bad["label"], bad["state"]) == ("greedy", "refused")
    assert bad["reason"].startswith("key_can_withdraw: ")
    states = {one["label"]: one["state"] for one in ada.get("/keys/exchange")["items"]}
    assert states == {"main": "good", "greedy": "refused"}
    live = {"mode": "live", "name": "main", "key_id": good["key_id"]}
    account = ada.post("/accounts", live, status=201)
    assert (account["mode"], account["last_four"]) == ("live", running.key[-4:])
    assert running.secret not in json.dumps(ada.get("/accounts"))


def backtest(ada: Newcomer, house: House) -> None:
    """Ask for a backtest, let Dagster's asset run it, read figures and report."""
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=60)
    frame = made_up(24 * 59, start=since, timeframe=HOUR)
    with house.platform.writer() as connection:
        CandleStore(connection, house.platform.clock).write(batch(frame, timeframe=HOUR))
    wanted = SPEC | {"since": since.isoformat(), "cash": "1000"}
    asked = ada.post("/backtests", wanted, status=202)
    assert asked["state"] == "queued"
    with dg.instance_for_test() as instance:
        (run_key,) = keys(look(instance, house.platform))
        request_id = (run_key or "").rpartition(":")[0]
        assert execute(instance, house.platform, request_id).success
    done = ada.get(f"/backtests/{asked['backtest_id']}")
    assert (done["state"], done["figures"]["initial_equity"]) == ("done", 1000.0)
    report = ada.raw(f"/backtests/{asked['backtest_id']}/report")
    assert report.startswith(b"<!DOCTYPE html>")


def program(ada: Newcomer, house: House) -> None:
    """Let a program read, and no more; the older paths show the same."""
    made = ada.post("/tokens", {"name": "mine", "scopes": ["read"]}, status=201)
    bots = ada.get("/bots")["items"]
    with house.newcomer(ada.email, "", made["token"]) as reader:
        refused = reader.post(f"/bots/{bots[0]['bot_id']}/stop", status=403)
        assert refused["detail"] == "The token has the scope read; this needs trade."
        older = reader.get("//api/bots/")["items"]
        assert [one["bot_id"] for one in older] == [one["bot_id"] for one in bots]
        assert reader.get("/bot/status")["bot"]["name"] == "first"
    with zipfile.ZipFile(io.BytesIO(ada.raw("/users/me/export"))) as export:
        manifest = json.loads(export.read("manifest.json"))
        assert len(export.read("trading.bots.jsonl").splitlines()) == len(bots) == 2
    assert manifest


def be_stopped(ada: Newcomer, house: House, first: str) -> None:
    """Be seen and stopped by an administrator; all of it is in the audit log, unbroken."""
    ada.get("/admin/users", status=403)
    with house.person("admin@localhost") as admin:
        assert {one["email"] for one in admin.get("/admin/users")["items"]} == {
            *("ada@example.com", "admin@localhost", "trader@localhost"),
        }
        assert admin.get("/admin/stats")["executors"] == 1
        path = f"/admin/bots/{first}/stop"
        admin.post(path, status=422)
        admin.post(path, {"reason": "trades too much"}, status=200)
        until(lambda: ada.get(f"/bots/{first}/status")["bot"]["state"] == "stopped", "the stop")
        actions = {one["action"] for one in admin.get("/admin/audit")["items"]}
        assert "bot.force_stop" in actions
    assert ada.get("/notifications")["items"][0]["body"].endswith("trades too much")
    assert "trades too much" in ada.mail(house.running, "Your bot first was halted")
    assert "sealed" in house.command("audit", "seal")
    assert "as they were written" in house.command("audit", "verify")


def leave(ada: Newcomer, running: Running) -> None:
    """Delete the account: nothing answers any more, and a mail says until when it can be undone."""
    wish = {"password": ada.password, "positions": "flatten"}
    left = ada.ask("DELETE", "/users/me", wish)
    assert (left["bots_stopped"], left["subscription_ended"]) == (1, True)
    ada.get("/bots", status=401)
    credentials = {"email": ada.email, "password": ada.password}
    ada.post("/auth/login", credentials, status=401)
    assert "support can undo it" in ada.mail(running, "Your account will be deleted")
