"""Texts in Portuguese."""

# ruff: noqa: E501 - a sentence is read in one piece

from __future__ import annotations

from typing import Final

from candela.notify.texts.words import Tongue, Words

__all__ = ["PORTUGUESE"]

_NOT_YOU: Final = (
    "Se não foi você, altere a sua senha imediatamente e encerre as outras sessões nas"
    " configurações."
)

PORTUGUESE: Final = Tongue(
    months=(
        *("janeiro", "fevereiro", "março", "abril", "maio", "junho"),
        *("julho", "agosto", "setembro", "outubro", "novembro", "dezembro"),
    ),
    day_format="{day} de {month} de {year}",
    instant_format="{day} de {month} de {year} às {clock} ({zone})",
    thousands=".",
    decimals=",",
    words={
        "paper": "simulação",
        "demo": "demo",
        "live": "real",
        "on": "ativado",
        "off": "desativado",
        "trade": "operação",
        "trades": "operações",
    },
    greeting="Olá,",
    closing="Candela",
    footer="Você recebe esta mensagem porque uma conta da Candela tem este endereço.",
    paste="Se o botão não funcionar, abra este endereço no seu navegador:",
    texts={
        "verify_address": Words(
            "Confirme o seu endereço",
            (
                (
                    "Confirme que este endereço é seu. O link funciona uma única vez, durante"
                    " 48 horas."
                ),
                "Se você não se cadastrou na Candela, não precisa fazer nada.",
            ),
            button="Confirmar endereço",
        ),
        "address_known": Words(
            "Você já tem uma conta",
            (
                (
                    "Alguém tentou se cadastrar na Candela com este endereço, que já tem uma conta."
                    " Nada foi alterado."
                ),
                (
                    "Se foi você, entre na sua conta; se não se lembra da senha, peça uma nova na"
                    " página de acesso. Se não foi você, não precisa fazer nada."
                ),
            ),
        ),
        "reset_password": Words(
            "Escolha uma nova senha",
            (
                "Você pediu uma nova senha. O link funciona uma única vez, durante 10 minutos.",
                "Se você não pediu, ignore esta mensagem: a sua senha continua a mesma.",
            ),
            button="Escolher senha",
        ),
        "password_changed": Words(
            "A sua senha foi alterada",
            ("A sua senha foi alterada em {{ at | when }}.", _NOT_YOU),
        ),
        "new_login": Words(
            "Novo acesso à sua conta",
            (
                (
                    "Alguém entrou na sua conta em {{ at | when }} a partir de {{ address }} com"
                    " {{ agent }}."
                ),
                _NOT_YOU,
            ),
        ),
        "second_factor_changed": Words(
            "O seu segundo fator foi alterado",
            (
                (
                    "{% if change == 'codes' %}Novos códigos de recuperação foram criados para a sua"
                    " conta{% else %}O segundo fator da sua conta foi {{ change | word }}{% endif %}"
                    " em {{ at | when }}."
                ),
                _NOT_YOU,
            ),
        ),
        "plan_changed": Words(
            "O seu plano agora é {{ plan | capitalize }}",
            ("O plano {{ plan | capitalize }} está em vigor desde {{ at | when }}.",),
        ),
        "payment_failed": Words(
            "Um pagamento não foi concluído",
            (
                (
                    "O pagamento de {{ amount | money }} {{ currency | upper }} não foi concluído."
                    " Tentaremos novamente."
                ),
                (
                    "Verifique o seu meio de pagamento nas configurações de cobrança. Se falhar outra"
                    " vez, o seu plano termina: os seus bots não abrirão nada novo e continuarão a"
                    " cuidar do que está aberto."
                ),
            ),
        ),
        "subscription_ends": Words(
            "O seu plano {{ plan | capitalize }} termina",
            (
                "O seu plano {{ plan | capitalize }} termina em {{ ends_at | when }}.",
                (
                    "Depois disso, os bots além do plano gratuito não abrirão nada novo e continuarão a"
                    " cuidar do que está aberto."
                ),
            ),
        ),
        "key_refused": Words(
            "{{ venue | capitalize }} recusou a sua chave {{ label }}",
            (
                "{{ venue | capitalize }} recusa a chave {{ label }}: {{ reason }}",
                (
                    "Os bots que operam com ela não abrirão nada novo até que você guarde uma chave que"
                    " funcione."
                ),
            ),
        ),
        "alert": Words(
            "Alerta: {{ name }}",
            (
                "O seu alerta {{ name }} disparou em {{ at | when }}: o valor é {{ value }}; você pediu {{ limit }}.",
                "Ele descansa pelo tempo que você escolheu e depois pode disparar de novo.",
            ),
        ),
        "bot_halted": Words(
            "O seu bot {{ bot }} foi interrompido",
            (
                "O seu bot {{ bot }} foi interrompido em {{ at | when }}: {{ reason }}",
                "Ele não abrirá nada novo até que você o inicie de novo.",
            ),
        ),
        "daily_summary": Words(
            "O seu {{ day | day }}",
            ("Os seus resultados de {{ day | day }}:",),
            each=(
                "books",
                (
                    "{{ item.mode | word }}: {{ item.profit | signed }} {{ item.currency }} em"
                    " {{ item.trades }} {{ ('trade' if item.trades == 1 else 'trades') | word }},"
                    " {{ item.wins }} com ganho, taxas {{ item.fees | money }} {{ item.currency }}"
                ),
            ),
        ),
        "leaving_confirmed": Words(
            "A sua conta será excluída",
            (
                (
                    "Você pediu a exclusão da sua conta. O que resta dela será apagado em"
                    " {{ erased_at | when }}."
                ),
                "Até lá, o nosso suporte pode desfazer isso: escreva para nós.",
            ),
        ),
        "trade_closed": Words(
            "{{ symbol }}: {{ profit | signed }} {{ currency }}",
            (
                (
                    "{{ bot or symbol }} fechou {{ symbol }} ({{ mode | word }}) com"
                    " {{ profit | signed }} {{ currency }}."
                ),
            ),
        ),
    },
)
