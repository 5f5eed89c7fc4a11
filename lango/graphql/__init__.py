"""GraphQL documents: parsed, validated, bounded in size and cost, and what a resolver finds in its context."""
