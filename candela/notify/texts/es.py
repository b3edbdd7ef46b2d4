"""Texts in Spanish."""

# ruff: noqa: E501 - a sentence is read in one piece

from __future__ import annotations

from typing import Final

from candela.notify.texts.words import Tongue, Words

__all__ = ["SPANISH"]

_NOT_YOU: Final = (
    "Si no has sido tú, cambia tu contraseña cuanto antes y cierra las demás sesiones en los"
    " ajustes."
)

SPANISH: Final = Tongue(
    months=(
        *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
        *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
    day_format="{day} de {month} de {year}",
    instant_format="{day} de {month} de {year} a las {clock} ({zone})",
    thousands=".",
    decimals=",",
    words={
        "paper": "simulación",
        "demo": "demo",
        "live": "real",
        "on": "activado",
        "off": "desactivado",
        "trade": "operación",
        "trades": "operaciones",
    },
    greeting="Hola:",
    closing="Candela",
    footer="Recibes este mensaje porque una cuenta de Candela tiene esta dirección.",
    paste="Si el botón no funciona, abre esta dirección en tu navegador:",
    texts={
        "verify_address": Words(
            "Confirma tu dirección",
            (
                (
                    "Confirma que esta dirección es tuya. El enlace sirve una sola vez, durante"
                    " 48 horas."
                ),
                "Si no te has registrado en Candela, no tienes que hacer nada.",
            ),
            button="Confirmar dirección",
        ),
        "address_known": Words(
            "Ya tienes una cuenta",
            (
                (
                    "Alguien ha intentado registrarse en Candela con esta dirección, que ya tiene una"
                    " cuenta. No ha cambiado nada."
                ),
                (
                    "Si has sido tú, inicia sesión; si ya no recuerdas la contraseña, pide una nueva en"
                    " la página de acceso. Si no has sido tú, no tienes que hacer nada."
                ),
            ),
        ),
        "reset_password": Words(
            "Elige una contraseña nueva",
            (
                (
                    "Has pedido una contraseña nueva. El enlace sirve una sola vez, durante"
                    " 10 minutos."
                ),
                "Si no la has pedido, ignora este mensaje: tu contraseña no cambia.",
            ),
            button="Elegir contraseña",
        ),
        "password_changed": Words(
            "Tu contraseña ha cambiado",
            ("Tu contraseña se cambió el {{ at | when }}.", _NOT_YOU),
        ),
        "new_login": Words(
            "Nuevo inicio de sesión en tu cuenta",
            (
                (
                    "Alguien inició sesión en tu cuenta el {{ at | when }} desde {{ address }} con"
                    " {{ agent }}."
                ),
                _NOT_YOU,
            ),
        ),
        "second_factor_changed": Words(
            "Ha cambiado tu segundo factor",
            (
                (
                    "{% if change == 'codes' %}Se crearon nuevos códigos de recuperación para tu cuenta"
                    "{% else %}El segundo factor de tu cuenta quedó {{ change | word }}{% endif %}"
                    " el {{ at | when }}."
                ),
                _NOT_YOU,
            ),
        ),
        "plan_changed": Words(
            "Tu plan ahora es {{ plan | capitalize }}",
            ("El plan {{ plan | capitalize }} está en vigor desde el {{ at | when }}.",),
        ),
        "payment_failed": Words(
            "No se ha podido cobrar un pago",
            (
                (
                    "No se ha podido cobrar el pago de {{ amount | money }} {{ currency | upper }}. Se"
                    " intentará de nuevo."
                ),
                (
                    "Revisa tu medio de pago en los ajustes de facturación. Si vuelve a fallar, tu plan"
                    " terminará: tus bots no abrirán nada nuevo y seguirán gestionando lo abierto."
                ),
            ),
        ),
        "subscription_ends": Words(
            "Tu plan {{ plan | capitalize }} termina",
            (
                "Tu plan {{ plan | capitalize }} termina el {{ ends_at | when }}.",
                (
                    "A partir de entonces, los bots que excedan el plan gratuito no abrirán nada nuevo"
                    " y seguirán gestionando lo abierto."
                ),
            ),
        ),
        "key_refused": Words(
            "{{ venue | capitalize }} ha rechazado tu clave {{ label }}",
            (
                "{{ venue | capitalize }} rechaza la clave {{ label }}: {{ reason }}",
                (
                    "Los bots que operan con ella no abrirán nada nuevo hasta que guardes una clave que"
                    " funcione."
                ),
            ),
        ),
        "alert": Words(
            "Alerta: {{ name }}",
            (
                "Tu alerta {{ name }} saltó el {{ at | when }}: el valor es {{ value }}; pediste {{ limit }}.",
                "Descansa el tiempo que elegiste y después puede volver a saltar.",
            ),
        ),
        "bot_halted": Words(
            "Tu bot {{ bot }} se ha detenido",
            (
                "Tu bot {{ bot }} se detuvo el {{ at | when }}: {{ reason }}",
                "No abrirá nada nuevo hasta que lo vuelvas a iniciar.",
            ),
        ),
        "daily_summary": Words(
            "Tu {{ day | day }}",
            ("Tus resultados del {{ day | day }}:",),
            each=(
                "books",
                (
                    "{{ item.mode | word }}: {{ item.profit | signed }} {{ item.currency }} en"
                    " {{ item.trades }} {{ ('trade' if item.trades == 1 else 'trades') | word }},"
                    " {{ item.wins }} con ganancia, comisiones {{ item.fees | money }}"
                    " {{ item.currency }}"
                ),
            ),
        ),
        "leaving_confirmed": Words(
            "Tu cuenta se va a eliminar",
            (
                (
                    "Nos has pedido eliminar tu cuenta. Lo que queda de ella se borrará el"
                    " {{ erased_at | when }}."
                ),
                "Hasta entonces nuestro soporte puede deshacerlo: escríbenos.",
            ),
        ),
        "trade_closed": Words(
            "{{ symbol }}: {{ profit | signed }} {{ currency }}",
            (
                (
                    "{{ bot or symbol }} cerró {{ symbol }} ({{ mode | word }}) con"
                    " {{ profit | signed }} {{ currency }}."
                ),
            ),
        ),
    },
)
