"""QR codes, their redemption, and the settlements that follow, as the API shows them."""

from __future__ import annotations

from datetime import date, datetime

import segno
import strawberry

import models.redemption as m
from gql.kit.inputs import id_of, key_input, text_input, value_input
from gql.kit.mirror import mirror
from gql.kit.mutation import mutation
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from lango.prices import LONGEST
from models.packs import Pack, Partner
from models.pots import Pot
from resolvers import redemption, reversals, settlements

CODE = "What the scanner read, or what somebody types: blanks, hyphens and small letters do not matter."


@mirror(m.QrCode)
class QrCode:
    @strawberry.field(
        description="The code drawn as an SVG image, for a screen or a printer.", metadata={LONGEST: 8_000}
    )
    def svg(self) -> str:
        return segno.make(self.code, error="m").svg_inline(scale=4)  # type: ignore[attr-defined]


@mirror(m.PartnerSettlement)
class PartnerSettlement:
    pass


@mirror(m.QrRedemptionLog)
class QrRedemptionLog:
    pass


@strawberry.input(description="What `issueQrCode` takes.")
class IssueQrCodeInput:
    pot_id: strawberry.ID = id_of(Pot, "The pot that pays.")
    pack_id: strawberry.ID = id_of(Pack, "The pack to be redeemed.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `cancelQrCode` takes.")
class CancelQrCodeInput:
    qr_code_id: strawberry.ID = id_of(m.QrCode, "The code to give back.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `checkQrCode` takes.")
class CheckQrCodeInput:
    code: str = text_input(CODE, max_length=100, required=True)
    venue: str | None = text_input("The venue, by the id or name the partner gave it.", max_length=255)


@strawberry.input(description="What `redeemQrCode` takes.")
class RedeemQrCodeInput:
    code: str = text_input(CODE, max_length=100, required=True)
    venue: str | None = text_input("The venue, by the id or name the partner gave it.", max_length=255)
    notes: str | None = text_input("What the cashier notes.", max_length=2000)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `reverseRedemption` takes.")
class ReverseRedemptionInput:
    qr_code_id: strawberry.ID = id_of(m.QrCode, "The code that was redeemed by mistake.")
    reason: str = text_input("Why it is taken back: its holder and the partner read it.", max_length=500, required=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `generateSettlement` takes.")
class GenerateSettlementInput:
    partner_id: strawberry.ID = id_of(Partner, "The partner that is to be paid.")
    period_start: date = value_input("The first day of the period, in Dakar.", required=True)
    period_end: date = value_input("The last day of the period: today at the latest.", required=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `approveSettlement` takes.")
class ApproveSettlementInput:
    settlement_id: strawberry.ID = id_of(m.PartnerSettlement, "The settlement to agree to.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `reopenSettlement` takes.")
class ReopenSettlementInput:
    settlement_id: strawberry.ID = id_of(m.PartnerSettlement, "The disputed settlement.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `markSettlementPaid` takes.")
class MarkSettlementPaidInput:
    settlement_id: strawberry.ID = id_of(m.PartnerSettlement, "The settlement that was paid.")
    reference: str = text_input("The bank's or provider's reference of the payment.", max_length=100, required=True)
    invoice_url: str | None = text_input("Where the invoice is.", max_length=500)
    receipt_url: str | None = text_input("Where the receipt is.", max_length=500)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `disputeSettlement` takes.")
class DisputeSettlementInput:
    settlement_id: strawberry.ID = id_of(m.PartnerSettlement, "The settlement that is objected to.")
    reason: str = text_input("What is wrong with it.", max_length=2000, required=True)
    idempotency_key: str | None = key_input()


SETTLED = {"settlement": m.PartnerSettlement}


@strawberry.type
class Mutation:
    issue_qr_code = mutation(redemption.issue, name="issueQrCode", input=IssueQrCodeInput, makes={"qr_code": m.QrCode})
    cancel_qr_code = mutation(
        redemption.cancel, name="cancelQrCode", input=CancelQrCodeInput, makes={"qr_code": m.QrCode}
    )
    redeem_qr_code = mutation(
        redemption.redeem, name="redeemQrCode", input=RedeemQrCodeInput, makes={"qr_code": m.QrCode}
    )
    reverse_redemption = mutation(
        reversals.reverse, name="reverseRedemption", input=ReverseRedemptionInput, makes={"qr_code": m.QrCode}
    )
    check_qr_code = mutation(
        redemption.check,
        name="checkQrCode",
        input=CheckQrCodeInput,
        makes={
            "pack": Pack,
            "price_cfa": (int, "What the code is worth, in CFA francs."),
            "redeemable_from": (datetime, "When it may be redeemed first."),
            "expires_at": (datetime, "When it can no longer be redeemed."),
            "redemption_instructions": (str, "What the till should know; null without any."),
        },
    )
    generate_settlement = mutation(
        settlements.generate, name="generateSettlement", input=GenerateSettlementInput, makes=SETTLED
    )
    approve_settlement = mutation(
        settlements.approve, name="approveSettlement", input=ApproveSettlementInput, makes=SETTLED
    )
    mark_settlement_paid = mutation(
        settlements.mark_paid, name="markSettlementPaid", input=MarkSettlementPaidInput, makes=SETTLED
    )
    dispute_settlement = mutation(
        settlements.dispute, name="disputeSettlement", input=DisputeSettlementInput, makes=SETTLED
    )
    reopen_settlement = mutation(
        settlements.reopen, name="reopenSettlement", input=ReopenSettlementInput, makes=SETTLED
    )


Query = root_fields(m.QrCode, m.PartnerSettlement, m.QrRedemptionLog)


@strawberry.type
class Subscription:
    qr_code_redeemed = subscription(
        m.QrCode,
        name="qrCodeRedeemed",
        topics=("qr_code.redeemed",),
        by="partner_id",
        of=Partner,
        doc="Whenever a code is redeemed at a partner: for its dashboard.",
    )
