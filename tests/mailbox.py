"""What lango has sent by SMS and email, as whoever gets it reads it: `await mail.code("+221771234567")`."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asyncpg

from lango.db.pipeline import Pipeline
from lango.providers.africastalking import AfricasTalkingSettings
from lango.providers.mailbox import Mailbox, Sent
from lango.providers.smtp import SmtpSettings
from lango.providers.twilio import TwilioSettings
from lango.rules.services import Services, make_clients
from lango.settings import Settings
from resolvers.messages.sending import send_message

CODE = re.compile(r"\b\d{6}\b")
TOKEN = re.compile(r"#token=([^\s\"<)]+)")
TAKEN = """
DELETE FROM jobs.pgqueuer WHERE id IN (
  SELECT id FROM jobs.pgqueuer WHERE entrypoint = $1 AND status = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED
) RETURNING id, payload
"""


def in_sandbox(settings: Settings, folder: Path) -> Settings:
    """These settings, with every provider of messages a sandbox that keeps them in this folder."""
    sandboxed = settings.model_copy(update={"data_dir": folder})
    for section in (
        SmtpSettings(_env_file=None, chosen="sandbox"),
        AfricasTalkingSettings(_env_file=None, chosen="sandbox"),
        TwilioSettings(_env_file=None, chosen="sandbox"),
    ):
        sandboxed = sandboxed.with_section(section)
    return sandboxed


@dataclass
class Mail:
    """The sandboxes' mailbox. Reading it sends first what waits in the queue, as the worker would."""

    services: Services
    owner: asyncpg.Pool[Any]
    mailbox: Mailbox

    @classmethod
    async def over(
        cls, pipeline: Pipeline, settings: Settings, owner: asyncpg.Pool[Any], closing: AsyncExitStack
    ) -> Mail:
        services = Services(pipeline, settings, make_clients(settings, closing), closing)
        return cls(services, owner, Mailbox(settings.data_dir))

    async def send(self) -> None:
        """Run what is queued once, in its order; what fails is raised."""
        for _, payload in sorted(await self.owner.fetch(TAKEN, send_message.name)):
            await send_message(self.services, **send_message.unpack(payload))

    async def to(self, recipient: str) -> list[Sent]:
        """What came to a number or address, the newest first."""
        await self.send()
        return self.mailbox.newest(recipient)

    async def code(self, recipient: str) -> str:
        """The code in the newest message to them."""
        return self._found(CODE, await self.to(recipient))

    async def token(self, recipient: str) -> str:
        """The token of the link in the newest message to them."""
        return unquote(self._found(TOKEN, await self.to(recipient)))

    @staticmethod
    def _found(form: re.Pattern[str], sent: list[Sent]) -> str:
        assert sent, "nothing was sent to them"
        found = form.search(sent[0].text)
        assert found is not None, f"not in {sent[0].text!r}"
        return found[1] if form.groups else found[0]
