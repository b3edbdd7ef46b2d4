"""Routes of keys: of exchanges, brokers and advisers."""

from __future__ import annotations

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Response

from api.deps import Fresh, Owner, Reader, State
from api.keys import service
from api.keys.schemas import (
    AdviserKeyGiven,
    BrokerKeyGiven,
    ExchangeKeyGiven,
    ExchangeKeyRenewed,
    KeyList,
    KeyShown,
)
from api.kit.idempotency import OnceKey
from api.kit.problems import problems
from api.spending import COSTLY
from candela.desk.keys import all_keys, key_of

__all__ = ["router"]

router = APIRouter(prefix="/keys", tags=["keys"])

_WAIT: Final = re.compile(r"\bwait=(\d{1,4})\b")
_WAITS: Final = {
    202: {"model": KeyShown, "description": "The venue has not answered yet; ask again later."}
}
Prefer = Annotated[
    str | None,
    Header(
        max_length=100,
        description="wait=N: wait N seconds for the venue's answer, at most and by default 10",
        examples=["wait=0"],
    ),
]


def _wait_s(prefer: str | None) -> float:
    found = _WAIT.search(prefer or "")
    return service.LONGEST_WAIT_S if found is None else int(found[1])


@router.get("/exchange", responses=problems(403))
def list_exchange_keys(caller: Reader, state: State) -> KeyList:
    """List the keys of exchanges, oldest first; no route ever shows a key itself."""
    with state.act(caller) as session:
        return KeyList(items=[KeyShown.of(row) for row in all_keys(session, "exchange")])


@router.post(
    "/exchange",
    status_code=201,
    responses=problems(403, 404, 409) | _WAITS,
    dependencies=[COSTLY],
)
def add_exchange_key(
    caller: Fresh,
    state: State,
    once: OnceKey,
    body: ExchangeKeyGiven,
    response: Response,
    prefer: Prefer = None,
) -> KeyShown:
    """Store a key of an exchange; an executor asks the venue about it at once.

    A key that may withdraw, may not trade or is unknown there is refused and destroyed. Of one that
    works from any address you are warned.
    """
    masters = state.masters()
    with state.act(caller) as session:
        shown = once.run(
            session,
            caller,
            lambda: service.add_exchange(session, caller, body, masters, state.clock),
        )
    return _waited(caller, state, shown, response, prefer)


@router.get("/exchange/{key_id}", responses=problems(403, 404))
def get_exchange_key(caller: Reader, state: State, key_id: UUID) -> KeyShown:
    """Show a key of an exchange, and what became of it."""
    with state.act(caller) as session:
        return KeyShown.of(key_of(session, key_id, "exchange"))


@router.put("/exchange/{key_id}", responses=problems(403, 404, 409) | _WAITS)
def renew_exchange_key(
    caller: Fresh,
    state: State,
    key_id: UUID,
    body: ExchangeKeyRenewed,
    response: Response,
    prefer: Prefer = None,
) -> KeyShown:
    """Put another key in the place of one; accounts change over once the venue found it good.

    The new key has an id of its own. Until then, and where it is refused, the older one goes on.
    """
    masters = state.masters()
    with state.act(caller) as session:
        shown = service.renew_exchange(session, caller, key_id, body, masters, state.clock)
    response.status_code = 200
    return _waited(caller, state, shown, response, prefer)


@router.delete("/exchange/{key_id}", status_code=204, responses=problems(403, 404, 409))
def delete_exchange_key(caller: Owner, state: State, key_id: UUID) -> None:
    """Destroy a key that no account trades with; disconnect the account first."""
    with state.act(caller) as session:
        service.destroy_key(session, caller, key_id, "exchange", state.clock)


@router.post("/{key_id}/test", responses=problems(403, 404, 409) | _WAITS, dependencies=[COSTLY])
def retest_key(
    caller: Owner, state: State, key_id: UUID, response: Response, prefer: Prefer = None
) -> KeyShown:
    """Ask the venue about a key once more; accounts that trade with it go on meanwhile.

    Logins of brokers and keys of advisers cannot be asked about: tested is false.
    """
    with state.act(caller) as session:
        shown = service.retest_key(session, caller, key_id, state.clock)
    return _waited(caller, state, shown, response, prefer)


@router.get("/broker", responses=problems(403))
def list_broker_keys(caller: Reader, state: State) -> KeyList:
    """List the logins of brokers, oldest first."""
    with state.act(caller) as session:
        return KeyList(items=[KeyShown.of(row) for row in all_keys(session, "broker")])


@router.post("/broker", status_code=201, responses=problems(403, 409))
def add_broker_key(caller: Fresh, state: State, once: OnceKey, body: BrokerKeyGiven) -> KeyShown:
    """Store a login of a broker; it is sealed, and not tested."""
    masters = state.masters()
    with state.act(caller) as session:
        return once.run(
            session,
            caller,
            lambda: service.add_broker(session, caller, body, masters, state.clock),
        )


@router.delete("/broker/{key_id}", status_code=204, responses=problems(403, 404, 409))
def delete_broker_key(caller: Owner, state: State, key_id: UUID) -> None:
    """Destroy a login of a broker."""
    with state.act(caller) as session:
        service.destroy_key(session, caller, key_id, "broker", state.clock)


@router.get("/ai", responses=problems(403))
def list_adviser_keys(caller: Reader, state: State) -> KeyList:
    """List the keys of providers of language models, oldest first."""
    with state.act(caller) as session:
        return KeyList(items=[KeyShown.of(row) for row in all_keys(session, "adviser")])


@router.post("/ai", status_code=201, responses=problems(403, 409))
def add_adviser_key(caller: Fresh, state: State, once: OnceKey, body: AdviserKeyGiven) -> KeyShown:
    """Store a key of a provider of language models; it is sealed, and not tested."""
    masters = state.masters()
    with state.act(caller) as session:
        return once.run(
            session,
            caller,
            lambda: service.add_adviser(session, caller, body, masters, state.clock),
        )


@router.delete("/ai/{key_id}", status_code=204, responses=problems(403, 404, 409))
def delete_adviser_key(caller: Owner, state: State, key_id: UUID) -> None:
    """Destroy a key of a provider of language models."""
    with state.act(caller) as session:
        service.destroy_key(session, caller, key_id, "adviser", state.clock)


def _waited(
    caller: Owner, state: State, shown: KeyShown, response: Response, prefer: str | None
) -> KeyShown:
    if isinstance(shown, Response):
        return shown  # answered before, under the same Idempotency-Key
    found = service.answered(lambda: state.act(caller), shown, _wait_s(prefer))
    if found.kind == "exchange" and not found.tested and found.state in {"checking", "good"}:
        response.status_code = 202
    return found
