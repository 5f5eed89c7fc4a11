"""What turns a model into GraphQL: types, connections, filters, ordering, aggregates and mutations."""
