"""How people sign up, sign in and stay signed in."""
