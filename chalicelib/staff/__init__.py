"""Staff: who works here, by role, and how they sign in."""
