"""How people prove that they are who they are."""
