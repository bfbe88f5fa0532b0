"""What stands before the one-machine cloud: gateway, S3 front, control surface and the command."""
