"""Our state in Label Studio: the order of the queue, the webhook, the settings and the tabs."""
