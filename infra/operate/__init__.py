"""What an operator does with a deployment: look, deploy, look again, bring back."""
