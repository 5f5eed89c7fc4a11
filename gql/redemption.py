"""QR codes, their redemption, and the settlements that follow, as the API shows them."""

from __future__ import annotations

import segno
import strawberry

import models.redemption as m
from gql.kit.mirror import mirror, mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from lango.graphql.cost import LONGEST
from models.packs import Partner
from models.topics import Topic
from resolvers.redemption import codes, reversals, settlements, till


@mirror(m.QrCode)
class QrCode:
    @strawberry.field(
        description="The code drawn as an SVG image, for a screen or a printer.", metadata={LONGEST: 8_000}
    )
    def svg(self) -> str:
        return segno.make(self.code, error="m").svg_inline(scale=4)  # type: ignore[attr-defined]


mirrors(m.PartnerSettlement, m.QrRedemptionLog)


Mutation = mutations(
    codes.issue_qr_code,
    codes.cancel_qr_code,
    till.redeem_qr_code,
    reversals.reverse_redemption,
    till.check_qr_code,
    settlements.generate_settlement,
    settlements.approve_settlement,
    settlements.mark_settlement_paid,
    settlements.dispute_settlement,
    settlements.reopen_settlement,
)


Query = root_fields(m.QrCode, m.PartnerSettlement, m.QrRedemptionLog)


@strawberry.type
class Subscription:
    qr_code_redeemed = subscription(
        m.QrCode,
        name="qrCodeRedeemed",
        topics=(Topic.QR_CODE_REDEEMED,),
        by="partner_id",
        of=Partner,
        doc="Whenever a code is redeemed at a partner: for its dashboard.",
    )
