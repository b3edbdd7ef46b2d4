"""Routes of bots."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response

from api.bots import service
from api.bots.schemas import (
    BotIn,
    BotOut,
    BotPatch,
    BotWithConfig,
    ConfigIn,
    ConfigOut,
    DecisionOut,
    HaltOut,
    OrderOut,
    PositionNow,
    RunOut,
    StartIn,
    StatusOut,
    StopIn,
    VersionOut,
)
from api.configs.schemas import EstimateIn, EstimateOut
from api.configs.service import estimate
from api.deps import Reader, State, Trader
from api.kit.idempotency import OnceKey
from api.kit.paging import Cursor, Limit, Page
from api.kit.problems import problems

if TYPE_CHECKING:
    from candela.desk.bots import BotRow
    from candela.desk.status import BotStatus

__all__ = ["bot_out", "config_out", "router", "status_answer", "status_out"]

router = APIRouter(prefix="/bots", tags=["bots"])

BotState = Literal["stopped", "starting", "running", "stopping", "blocked", "error"]
IfMatch = Annotated[
    str | None,
    Header(max_length=200, description="ETag of the configuration that is replaced"),
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=500, description="ETag of the last answer: 304 where it stands")
]
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing changed"}}


def bot_out(bot: BotRow) -> BotOut:
    """Return a bot as it is shown."""
    return BotOut(**_fields(bot))


def config_out(bot: BotRow, response: Response) -> ConfigOut:
    """Return a bot's configuration, with its version as the ETag."""
    response.headers["etag"] = f'"{bot.version}"'
    return ConfigOut(version=bot.version, config=bot.config)


def status_out(found: BotStatus) -> StatusOut:
    """Return how a bot stands, as it is shown."""
    last = found.last_decision
    return StatusOut(
        bot=bot_out(found.bot),
        words=found.words,
        is_active=found.bot.is_active,
        executor_is_alive=found.keeper.is_alive,
        executor_seen_at=found.keeper.seen_at,
        halts=[HaltOut.model_validate(one, from_attributes=True) for one in found.halts],
        last_decision=None if last is None else DecisionOut(**service.shown_decision(last)),
        position=(
            None
            if found.position is None
            else PositionNow.model_validate(found.position, from_attributes=True)
        ),
        open_orders=[
            OrderOut.model_validate(one, from_attributes=True) for one in found.open_orders
        ],
        pnl_today=found.pnl_today,
        trades_today=found.trades_today,
        pnl_total=found.pnl_total,
        zone=found.zone,
        broken=found.broken,
        late_since=found.late_since,
    )


def status_answer(found: BotStatus, known: str | None, response: Response) -> Any:
    """Return how a bot stands, or 304 where who polls knows that already."""
    out = status_out(found)
    # A heartbeat alone is no news to who polls.
    text = out.model_dump_json(exclude={"executor_seen_at"})
    tag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'
    if known is not None and tag in {one.strip() for one in known.split(",")}:
        return Response(status_code=304, headers={"etag": tag})
    response.headers["etag"] = tag
    return out


def _fields(bot: BotRow) -> dict[str, Any]:
    config = bot.config
    own = {name: getattr(bot, name) for name in BotOut.model_fields if hasattr(bot, name)}
    return own | {
        "strategy": config.strategy,
        "instrument": config.instrument,
        "timeframe": config.timeframe,
        "capital": config.capital,
    }


def _whole(bot: BotRow) -> BotWithConfig:
    return BotWithConfig(**_fields(bot), config=bot.config, definition_id=bot.definition_id)


@router.get("", responses=problems(403))
def list_bots(
    caller: Reader,
    state_: State,
    *,
    state: Annotated[BotState | None, Query(description="what the executor says")] = None,
    mode: Annotated[Literal["paper", "demo", "live"] | None, Query()] = None,
    account_id: Annotated[UUID | None, Query(description="bots of one account")] = None,
    strategy: Annotated[str | None, Query(max_length=100, pattern=r"^[a-z0-9_]+$")] = None,
    sort: Annotated[Literal["newest", "oldest"], Query(description="by creation")] = "newest",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BotOut]:
    """List the bots of the tenant; removed ones are left out."""
    filters = service.Filters(state=state, mode=mode, account=account_id, strategy=strategy)
    with state_.act(caller) as session:
        bots, following = service.bots_page(
            session, filters, cursor, limit, oldest=sort == "oldest"
        )
        return Page(items=[bot_out(one) for one in bots], next_cursor=following)


@router.post("", status_code=201, responses=problems(403, 404, 409))
def create_bot(
    caller: Trader, state: State, once: OnceKey, body: BotIn, response: Response
) -> BotWithConfig:
    """Make a bot that is stopped; everything is checked before anything is written."""
    with state.act(caller) as session:

        def make() -> BotWithConfig:
            bot = service.create(
                session, caller, body, folder=state.options.strategies_dir, clock=state.clock
            )
            response.headers["location"] = f"/api/v1/bots/{bot.bot_id}"
            return _whole(bot)

        return once.run(session, caller, make)


@router.post("/ruin", responses=problems(403))
def estimate_ruin(_: Reader, body: EstimateIn) -> EstimateOut:
    """Estimate the ruin of stakes that grow after losses; repeat its ruin_ratio to accept it."""
    return estimate(body.config, body.ruin)


@router.get("/{bot_id}", responses=problems(403, 404))
def get_bot(caller: Reader, state: State, bot_id: UUID) -> BotWithConfig:
    """Show a bot with its configuration."""
    with state.act(caller) as session:
        return _whole(service.bot_with_id(session, bot_id))


@router.patch("/{bot_id}", responses=problems(403, 404, 409))
def rename_bot(caller: Trader, state: State, bot_id: UUID, body: BotPatch) -> BotWithConfig:
    """Give a bot another name; its configuration is changed by PUT /bots/{bot_id}/config."""
    with state.act(caller) as session:
        return _whole(service.rename(session, caller, bot_id, body.name, clock=state.clock))


@router.delete("/{bot_id}", status_code=204, responses=problems(403, 404, 409))
def remove_bot(caller: Trader, state: State, bot_id: UUID) -> None:
    """Remove a bot that is stopped and holds nothing; what it did stays on record."""
    with state.act(caller) as session:
        service.remove(session, caller, bot_id, clock=state.clock)


@router.get("/{bot_id}/config", responses=problems(403, 404))
def get_bot_config(caller: Reader, state: State, bot_id: UUID, response: Response) -> ConfigOut:
    """Show a bot's configuration; the ETag is what a change of it has to name."""
    with state.act(caller) as session:
        return config_out(service.bot_with_id(session, bot_id), response)


@router.put("/{bot_id}/config", responses=problems(403, 404, 409, 412, 428))
def change_bot_config(
    caller: Trader,
    state: State,
    bot_id: UUID,
    body: ConfigIn,
    response: Response,
    if_match: IfMatch = None,
) -> ConfigOut:
    """Give a stopped bot another configuration, as its next version."""
    with state.act(caller) as session:
        bot = service.change(
            session,
            caller,
            bot_id,
            body,
            if_match=if_match,
            folder=state.options.strategies_dir,
            clock=state.clock,
        )
    return config_out(bot, response)


@router.get("/{bot_id}/versions", responses=problems(403, 404))
def list_bot_versions(
    caller: Reader,
    state: State,
    bot_id: UUID,
    before: Annotated[
        int | None, Query(ge=1, le=2_147_483_647, description="versions below this one")
    ] = None,
    limit: Limit = 50,
) -> list[VersionOut]:
    """List the configurations that a bot had, the last one first."""
    with state.act(caller) as session:
        rows = service.versions_page(session, bot_id, before, limit)
    return [VersionOut(**row) for row in rows]


@router.get("/{bot_id}/runs", responses=problems(403, 404))
def list_bot_runs(
    caller: Reader, state: State, bot_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> Page[RunOut]:
    """List the times in which executors worked on a bot, the last one first."""
    with state.act(caller) as session:
        page = service.runs_page(session, bot_id, cursor, limit)
    return Page(items=[RunOut(**row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{bot_id}/decisions", responses=problems(403, 404))
def list_bot_decisions(
    caller: Reader,
    state: State,
    bot_id: UUID,
    *,
    outcome: Annotated[
        Literal["intent", "refused", "nothing"] | None, Query(description="refused: why not")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DecisionOut]:
    """List what a bot decided with the gates that it met: why, or why not."""
    with state.act(caller) as session:
        page = service.decisions_page(session, bot_id, outcome, cursor, limit)
    return Page(items=[DecisionOut(**row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{bot_id}/orders", responses=problems(403, 404))
def list_bot_orders(
    caller: Reader, state: State, bot_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> Page[OrderOut]:
    """List a bot's attempts to trade, the last one first."""
    with state.act(caller) as session:
        page = service.orders_page(session, bot_id, cursor, limit)
    return Page(items=[OrderOut(**row) for row in page.items], next_cursor=page.next_cursor)


@router.get(
    "/{bot_id}/status", response_model=StatusOut, responses=problems(403, 404) | _NOT_MODIFIED
)
def get_bot_status(
    caller: Reader,
    state: State,
    bot_id: UUID,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> Any:
    """Show how a bot stands: what is wanted, what is said, who is alive, and why."""
    with state.act(caller) as session:
        found = service.status(session, bot_id, clock=state.clock)
    return status_answer(found, if_none_match, response)


@router.post("/{bot_id}/start", status_code=202, responses=problems(403, 404, 409))
def start_bot(
    caller: Trader, state: State, once: OnceKey, bot_id: UUID, body: StartIn | None = None
) -> BotOut:
    """Want a bot to run; an executor makes it so. Live bots need their capital typed again."""
    with state.act(caller) as session:
        confirmed = None if body is None else body.confirm_capital
        return once.run(
            session,
            caller,
            lambda: bot_out(
                service.start(session, caller, bot_id, confirmed=confirmed, clock=state.clock)
            ),
        )


@router.post("/{bot_id}/stop", status_code=202, responses=problems(403, 404, 409))
def stop_bot(
    caller: Trader, state: State, once: OnceKey, bot_id: UUID, body: StopIn | None = None
) -> BotOut:
    """Want a bot stopped; what it holds stays, or is sold with flatten."""
    with state.act(caller) as session:
        flatten = body is not None and body.flatten
        return once.run(
            session,
            caller,
            lambda: bot_out(
                service.stop(session, caller, bot_id, flatten=flatten, clock=state.clock)
            ),
        )


@router.post("/{bot_id}/restart", status_code=202, responses=problems(403, 404, 409))
def restart_bot(
    caller: Trader, state: State, once: OnceKey, bot_id: UUID, body: StartIn | None = None
) -> BotOut:
    """Want the run of a bot ended and begun anew; starts one that is stopped."""
    with state.act(caller) as session:
        confirmed = None if body is None else body.confirm_capital
        return once.run(
            session,
            caller,
            lambda: bot_out(
                service.start(
                    session, caller, bot_id, confirmed=confirmed, clock=state.clock, anew=True
                )
            ),
        )
