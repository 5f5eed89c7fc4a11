"""Where donors come back to after paying, while the site has no page of its own for it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from lango.providers.addresses import RETURN_PATH as PATH

__all__ = ["PATH", "came_back"]

PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Payment</title>
<h1>{title}</h1>
<p>{text}</p>
</html>
"""
# The address proves nothing: what was paid is known from the provider alone.
SUCCESS = PAGE.format(title="Thank you", text="Your payment is on its way. You may close this page.")
OTHER = PAGE.format(title="Not paid", text="The payment was not made. You may close this page and try again.")


async def came_back(request: Request) -> Response:
    """A page that says how the payment went, as the provider has it in the address."""
    page = SUCCESS if request.query_params.get("payment") == "success" else OTHER
    return Response(page, headers={"cache-control": "no-store"}, media_type="text/html")
