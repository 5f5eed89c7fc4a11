"""What a call of a provider may warn of, in the payload of a mutation that is done all the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WarningKind:
    """A warning as the API declares it. Providers that are alike to a caller share their kinds."""

    code: str
    # What the schema says of the code.
    description: str
    # What the person reads; `{provider}` is the provider's name.
    message: str

    def about(self, provider: str) -> ProviderWarning:
        return ProviderWarning(self.code, self.message.format(provider=provider))


@dataclass(frozen=True, slots=True)
class ProviderWarning:
    """A warning as a payload has it."""

    code: str
    message: str


PAYMENT_PROVIDER_UNAVAILABLE = WarningKind(
    "PAYMENT_PROVIDER_UNAVAILABLE",
    "The payment service could not be reached; it is asked again until it answers.",
    "{provider} cannot be reached at the moment; it is asked again until it answers.",
)
PAYMENT_PROVIDER_REFUSED = WarningKind(
    "PAYMENT_PROVIDER_REFUSED",
    "The payment service has answered that it will not do this; to ask the same again does not help.",
    "{provider} has answered that it will not do this; to ask the same again does not help.",
)
# No mutation waits for a message: these are what a provider's errors say of themselves, and no codes of the API.
MESSAGE_PROVIDER_UNAVAILABLE = WarningKind(
    "MESSAGE_PROVIDER_UNAVAILABLE",
    "The message service could not be reached; it is asked again for some minutes.",
    "{provider} cannot be reached at the moment; it is asked again for some minutes.",
)
MESSAGE_PROVIDER_REFUSED = WarningKind(
    "MESSAGE_PROVIDER_REFUSED",
    "The message service has answered that nothing can be sent there.",
    "{provider} has answered that nothing can be sent there.",
)
# Of no provider: a call has failed in another way than its provider's errors say.
NOT_YET_FINISHED = WarningKind(
    "NOT_YET_FINISHED",
    "Something that follows from it has failed for the moment; it is tried again until it is done.",
    "Something that follows from this has failed for the moment; it is tried again until it is done.",
)
