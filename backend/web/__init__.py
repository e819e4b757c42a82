"""The web application: Label Studio's wire contract, the plugin class and the pages."""
