"""Cases: what people write to us, until somebody has answered it."""
