"""Handing a mail to an SMTP server: over TLS, with limits on waiting, failures told apart."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from candela.errors import CandelaError, ConfigError
from candela.notify.rendering import Rendered

__all__ = [
    "BadMailServer",
    "Letter",
    "MailLater",
    "MailRefused",
    "MailServer",
    "MailUnanswered",
    "Post",
    "message_of",
    "open_post",
    "read_mail_server",
]

_WAIT_S: Final = 15.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_LONGEST_ANSWER: Final = 300
_TRANSIENT: Final = range(400, 500)
_GOOD: Final = range(200, 300)


class BadMailServer(ConfigError):
    """The address of the mail server, or of the sender, cannot be used."""

    code = "bad_mail_server"


class MailLater(CandelaError):
    """The mail was not taken, and may be at another time."""

    code = "mail_later"
    retryable = True


class MailRefused(CandelaError):
    """The mail will not be taken, however often it is tried."""

    code = "mail_refused"


class MailUnanswered(CandelaError):
    """The mail was handed over and no answer came: it may have been taken."""

    code = "mail_unanswered"
    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mails go, and from whom they come.

    Parameters
    ----------
    security
        starttls: begun in plain text, which only a server on loopback may leave it at.
    sender
        Such as ``Candela <no-reply@example.com>``.
    """

    host: str
    port: int
    security: Literal["tls", "starttls"]
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def domain(self) -> str:
        """What the sender's address ends with."""
        return parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is sent to whom; the same id at every attempt, so that servers can tell a second one."""

    letter_id: str
    to_address: str
    language: str
    content: Rendered
    at: datetime


def read_mail_server(url: str, sender: str) -> MailServer:
    """Return what a setting says.

    Raises
    ------
    BadMailServer
        It is no address of a mail server, or the sender has none.
    """
    hint = "Write it as smtp://user:password@host:587 or smtps://host:465."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadMailServer("CANDELA_SMTP_URL is not a URL.", hint) from None
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise BadMailServer("CANDELA_SMTP_URL names no mail server.", hint)
    if "@" not in parseaddr(sender)[1] or any(letter in sender for letter in "\r\n"):
        message = f"CANDELA_MAIL_FROM is {sender!r}, which has no address."
        raise BadMailServer(message, "Write it as Candela <no-reply@example.com>.")
    is_tls = parts.scheme == "smtps"
    return MailServer(
        host=parts.hostname,
        port=port or (465 if is_tls else 587),
        security="tls" if is_tls else "starttls",
        sender=sender,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def message_of(server: MailServer, letter: Letter) -> EmailMessage:
    """Return the message, as plain text and HTML.

    Raises
    ------
    MailRefused
        The address is none that a header can have.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["To"] = Address(addr_spec=letter.to_address)
    except (ValueError, IndexError):
        raise MailRefused("The address is none that a mail can be sent to.") from None
    message["From"] = server.sender
    message["Subject"] = letter.content.subject
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.letter_id}@{server.domain}>"
    message["Content-Language"] = letter.language
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.content.text, cte="quoted-printable")
    message.add_alternative(letter.content.html, subtype="html", cte="quoted-printable")
    return message


class Post:
    """A session with a server; one mail after the other."""

    def __init__(self, client: smtplib.SMTP, server: MailServer) -> None:
        self._client = client
        self._server = server

    def send(self, letter: Letter, handing: Callable[[], None]) -> str:
        """Send a letter and return what the server answered.

        Parameters
        ----------
        handing
            Called once the server has agreed to sender and address, before it is given the text:
            what it raises keeps the text back.

        Raises
        ------
        MailLater
            It was not taken, and may be at another time.
        MailRefused
            It will never be taken.
        MailUnanswered
            Whether it was taken is not known.
        """
        message = message_of(self._server, letter)
        try:
            options = self._options(letter.to_address)
            self._agree(self._client.mail(parseaddr(self._server.sender)[1], options))
            self._agree(self._client.rcpt(letter.to_address), is_final=True)
        except (smtplib.SMTPException, OSError) as error:
            raise MailLater(f"The server went away: {type(error).__name__}.") from None
        handing()
        policy = SMTPUTF8 if options else SMTP
        try:
            answer = self._client.data(message.as_bytes(policy=policy))
        except smtplib.SMTPDataError as error:
            answer = error.smtp_code, _bytes(error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            text = f"No answer after the text was sent: {type(error).__name__}."
            raise MailUnanswered(text) from None
        return self._agree(answer, is_final=True)

    def _options(self, address: str) -> list[str]:
        if address.isascii():
            return []
        if self._client.has_extn("smtputf8"):
            return ["SMTPUTF8", "BODY=8BITMIME"]
        raise MailRefused("The server does not take addresses beyond ASCII.")

    def _agree(self, answer: tuple[int, bytes], *, is_final: bool = False) -> str:
        """Refuse what is no success; the server's no to a sender is not the letter's fault."""
        code, said = answer
        text = f"{code} {said.decode('utf-8', 'replace')}"[:_LONGEST_ANSWER]
        if code in _GOOD:
            return text
        with suppress(smtplib.SMTPException, OSError):
            self._client.rset()
        if is_final and code not in _TRANSIENT:
            raise MailRefused(text)
        raise MailLater(text)


@contextmanager
def open_post(server: MailServer, wait_s: float = _WAIT_S) -> Generator[Post]:
    """Open a session with a server.

    Raises
    ------
    MailLater
        It does not answer, refuses the login, or offers no TLS and is not on this machine.
    """
    try:
        client = _greet(server, wait_s)
    except (smtplib.SMTPException, OSError) as error:
        code = getattr(error, "smtp_code", "")
        text = f"The mail server {server.host}:{server.port} cannot be used: "
        raise MailLater(f"{text}{type(error).__name__} {code}".strip() + ".") from None
    try:
        yield Post(client, server)
    finally:
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
        client.close()


def _greet(server: MailServer, wait_s: float) -> smtplib.SMTP:
    context = ssl.create_default_context()
    client: smtplib.SMTP
    if server.security == "tls":
        client = smtplib.SMTP_SSL(
            server.host, server.port, server.domain, timeout=wait_s, context=context
        )
    else:
        client = smtplib.SMTP(server.host, server.port, server.domain, timeout=wait_s)
    try:
        client.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            if client.has_extn("starttls"):
                client.starttls(context=context)
                client.ehlo()
            else:
                _refuse_plain(server)
        if server.user:
            client.login(server.user, server.password)
    except BaseException:
        client.close()
        raise
    return client


def _refuse_plain(server: MailServer) -> None:
    """Send neither a password nor a link to a new one in plain text over a network."""
    if server.host not in _LOOPBACK:
        raise smtplib.SMTPNotSupportedError


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
