"""The loop that brings mails to a server: each at least once, none more than twice."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg

from candela.errors import CandelaError
from candela.identity.links import make_link
from candela.notify.rendering import TONGUES, render
from candela.notify.smtp import (
    Letter,
    MailLater,
    MailRefused,
    MailServer,
    MailUnanswered,
    Post,
    open_post,
)
from live.courier.outbox import MOST_HANDED, ClaimLost, Mail, Outbox, Outcome

if TYPE_CHECKING:
    from candela.clock import Clock
    from candela.db.connect import Database

__all__ = ["WAITS", "Courier"]

_LOG: Final = logging.getLogger(__name__)
WAITS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=3),
    timedelta(hours=12),
)
"""Before the second attempt, the third, ...; after the last one a mail is given up."""
_BATCH: Final = 20
_LINKED: Final = {"verify_address": ("verify", "/verify"), "reset_password": ("reset", "/reset")}
_OUTAGE: Final = timedelta(seconds=30)


class Courier:
    """Bring what is due.

    Parameters
    ----------
    server
        None: mails wait, which is said once.
    public_url
        Where links lead, without a slash at its end.
    """

    def __init__(
        self,
        database: Database,
        server: MailServer | None,
        *,
        public_url: str,
        clock: Clock,
        wait_s: float = 15.0,
    ) -> None:
        self._outbox = Outbox(database)
        self._server = server
        self._public_url = public_url
        self._clock = clock
        self._wait_s = wait_s
        self._away_until: datetime | None = None

    def run(self, is_over: threading.Event, pause_s: float = 2.0) -> None:
        """Look again and again until it is over; no failure ends it."""
        if self._server is None:
            _LOG.warning("mails wait: CANDELA_SMTP_URL is not set")
            return
        while not is_over.wait(pause_s):
            try:
                while not is_over.is_set() and self.look():
                    pass
            except (CandelaError, psycopg.Error) as error:
                _LOG.warning("the courier looks again: %s", type(error).__name__)

    def look(self) -> int:
        """Bring what is due now; return how many mails were in hand.

        While the server does not answer none is taken in hand, so that an outage of any length
        costs no mail an attempt.
        """
        now = self._clock.now()
        is_away = self._away_until is not None and now < self._away_until
        if self._server is None or is_away or not self._outbox.is_due(now):
            return 0
        try:
            with open_post(self._server, self._wait_s) as post:
                mails = self._outbox.claim(now, _BATCH)
                for mail in mails:
                    self._bring(post, mail)
        except MailLater as error:
            self._away_until = now + _OUTAGE
            _LOG.warning("%s", error.message)
            return 0
        self._away_until = None
        return len(mails)

    def _bring(self, post: Post, mail: Mail) -> None:
        if mail.unanswered >= MOST_HANDED:
            self._settle(mail, None, "handed over twice without an answer")
            return
        try:
            answer = post.send(self._letter(mail), self._handing(mail))
        except MailLater as error:
            wait = WAITS[mail.attempts - 1] if mail.attempts <= len(WAITS) else None
            self._settle(mail, "later", error.message, wait)
        except MailRefused as error:
            self._settle(mail, "refused", error.message)
        except MailUnanswered as error:
            wait = WAITS[0] if mail.unanswered + 1 < MOST_HANDED else None
            self._settle(mail, None, error.message, wait)
        except ClaimLost:
            _LOG.info("mail %s is in another hand", mail.mail_id)
        else:
            self._outbox.settle(mail, self._clock.now(), outcome="taken", answer=answer)

    def _handing(self, mail: Mail) -> Callable[[], None]:
        return lambda: self._outbox.hand(mail, self._clock.now())

    def _settle(
        self, mail: Mail, outcome: Outcome | None, answer: str, wait: timedelta | None = None
    ) -> None:
        now = self._clock.now()
        again_at = None if wait is None else now + wait
        if again_at is None:
            _LOG.warning("mail %s of kind %s is given up", mail.mail_id, mail.kind)
        self._outbox.settle(mail, now, outcome=outcome, answer=answer, again_at=again_at)

    def _letter(self, mail: Mail) -> Letter:
        """Return the letter; a link in it has a token that is made now and stored nowhere."""
        try:
            content = render(
                mail.kind,
                mail.params,
                language=mail.language if mail.language in TONGUES else "en",
                zone=mail.zone,
                at=mail.created_at,
                link=self._link(mail),
            )
        except Exception as error:
            # One text that cannot be made must not keep the others from going out.
            message = f"The text {mail.kind} cannot be made: {type(error).__name__}."
            raise MailRefused(message) from error
        return Letter(
            letter_id=str(mail.mail_id),
            to_address=mail.address,
            language=mail.language,
            content=content,
            at=mail.created_at,
        )

    def _link(self, mail: Mail) -> str | None:
        if mail.kind not in _LINKED:
            return None
        with self._outbox.session(mail.tenant_id) as session:
            purpose = "verify" if mail.kind == "verify_address" else "reset"
            token = make_link(session, purpose, user_id=mail.user_id, clock=self._clock)
        # Behind the #: browsers send it to no server, and no log has it.
        return f"{self._public_url}{_LINKED[mail.kind][1]}#token={token}"
