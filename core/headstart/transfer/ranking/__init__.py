"""Sources put in order for a task by what their features are worth, before anything is trained."""
