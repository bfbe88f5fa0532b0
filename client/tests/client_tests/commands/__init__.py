"""The command as a person and a program meet it, in real time."""
