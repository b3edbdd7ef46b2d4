"""Texts in English."""

# ruff: noqa: E501 - a sentence is read in one piece

from __future__ import annotations

from typing import Final

from candela.notify.texts.words import Tongue, Words

__all__ = ["ENGLISH"]

_NOT_YOU: Final = (
    "If that was not you, change your password at once and end the other sessions in your settings."
)

ENGLISH: Final = Tongue(
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    day_format="{day} {month} {year}",
    instant_format="{day} {month} {year} at {clock} ({zone})",
    thousands=",",
    decimals=".",
    words={
        "paper": "paper",
        "demo": "demo",
        "live": "live",
        "on": "on",
        "off": "off",
        "trade": "trade",
        "trades": "trades",
    },
    greeting="Hello,",
    closing="Candela",
    footer="You receive this message because an account at Candela has this address.",
    paste="If the button does not work, open this address in your browser:",
    texts={
        "verify_address": Words(
            "Confirm your address",
            (
                "Please confirm that this address is yours. The link works once, within 48 hours.",
                "If you did not register at Candela, you need not do anything.",
            ),
            button="Confirm address",
        ),
        "address_known": Words(
            "You already have an account",
            (
                (
                    "Somebody tried to register at Candela with this address, which already has an"
                    " account. Nothing was changed."
                ),
                (
                    "If it was you, log in; if you no longer know your password, ask for a new one on"
                    " the login page. If it was not you, you need not do anything."
                ),
            ),
        ),
        "reset_password": Words(
            "Choose a new password",
            (
                "You asked for a new password. The link works once, within 10 minutes.",
                "If you did not ask, ignore this message: your password stays as it is.",
            ),
            button="Choose password",
        ),
        "password_changed": Words(
            "Your password was changed",
            ("Your password was changed on {{ at | when }}.", _NOT_YOU),
        ),
        "new_login": Words(
            "New login to your account",
            (
                (
                    "Somebody logged in to your account on {{ at | when }} from {{ address }}"
                    " with {{ agent }}."
                ),
                _NOT_YOU,
            ),
        ),
        "second_factor_changed": Words(
            "Your second factor was changed",
            (
                (
                    "{% if change == 'codes' %}New recovery codes were made for your account"
                    "{% else %}The second factor of your account was turned {{ change | word }}"
                    "{% endif %} on {{ at | when }}."
                ),
                _NOT_YOU,
            ),
        ),
        "plan_changed": Words(
            "Your plan is now {{ plan | capitalize }}",
            ("The plan {{ plan | capitalize }} is in force since {{ at | when }}.",),
        ),
        "payment_failed": Words(
            "A payment did not go through",
            (
                (
                    "The payment of {{ amount | money }} {{ currency | upper }} did not go through. It"
                    " will be tried again."
                ),
                (
                    "Please look at your means of payment in the billing settings. If it fails again,"
                    " your plan ends: your bots will open nothing new, and manage what is open."
                ),
            ),
        ),
        "subscription_ends": Words(
            "Your plan {{ plan | capitalize }} ends",
            (
                "Your plan {{ plan | capitalize }} ends on {{ ends_at | when }}.",
                (
                    "After that, bots beyond the free plan open nothing new and go on managing what is"
                    " open."
                ),
            ),
        ),
        "key_refused": Words(
            "{{ venue | capitalize }} refused your key {{ label }}",
            (
                "{{ venue | capitalize }} refuses the key {{ label }}: {{ reason }}",
                "Bots that trade with it open nothing new until you store a key that works.",
            ),
        ),
        "alert": Words(
            "Alert: {{ name }}",
            (
                "Your alert {{ name }} fired on {{ at | when }}: it is {{ value }}; you asked for {{ limit }}.",
                "It rests for as long as you chose, then it can fire again.",
            ),
        ),
        "bot_halted": Words(
            "Your bot {{ bot }} was halted",
            (
                "Your bot {{ bot }} was halted on {{ at | when }}: {{ reason }}",
                "It opens nothing new until you start it again.",
            ),
        ),
        "daily_summary": Words(
            "Your {{ day | day }}",
            ("Your results of {{ day | day }}:",),
            each=(
                "books",
                (
                    "{{ item.mode | word }}: {{ item.profit | signed }} {{ item.currency }} in"
                    " {{ item.trades }} {{ 'trade' if item.trades == 1 else 'trades' }},"
                    " {{ item.wins }} won, fees {{ item.fees | money }} {{ item.currency }}"
                ),
            ),
        ),
        "leaving_confirmed": Words(
            "Your account will be deleted",
            (
                (
                    "You asked us to delete your account. What is left of it will be erased on"
                    " {{ erased_at | when }}."
                ),
                "Until then our support can undo it: ask us.",
            ),
        ),
        "trade_closed": Words(
            "{{ symbol }}: {{ profit | signed }} {{ currency }}",
            (
                (
                    "{{ bot or symbol }} closed {{ symbol }} ({{ mode | word }}) with"
                    " {{ profit | signed }} {{ currency }}."
                ),
            ),
        ),
    },
)
