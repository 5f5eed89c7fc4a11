"""A plain Strawberry gateway over lango's models: Starlette, dataloaders and the ORM, as a competent team writes it."""
