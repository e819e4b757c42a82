"""What we keep in Label Studio: the queue's order, the webhook, the settings and the tabs."""
