"""Transfer learning as a tool."""
