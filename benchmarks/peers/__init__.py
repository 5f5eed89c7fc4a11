"""What lango is measured against."""
