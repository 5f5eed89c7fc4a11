"""What every rule is made of: its declaration, its inputs, its transaction, and the services that it may use."""
