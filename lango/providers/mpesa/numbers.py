"""Phone numbers as Daraja writes them: `254712345678`, without a plus."""

from __future__ import annotations

import re

from lango.providers.mpesa.errors import MpesaRefused

# Safaricom's and the other numbers of Kenya's mobile networks.
KENYAN = re.compile(r"254[17][0-9]{8}", re.ASCII)


def daraja_number(phone: str) -> str:
    """Raises MpesaRefused for what is no mobile number of Kenya, before anything is sent."""
    number = phone.strip().removeprefix("+")
    if not KENYAN.fullmatch(number):
        raise MpesaRefused("phone-not-served", "it is no mobile number of Kenya")
    return number
