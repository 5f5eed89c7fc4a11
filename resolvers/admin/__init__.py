"""What staff do: with accounts that are in danger or misused, and in sessions of their own."""
