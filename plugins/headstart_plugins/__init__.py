"""The plugins that come with headstart; they enter through the same entry points as everyone else's."""
