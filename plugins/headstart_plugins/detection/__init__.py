"""Object detection: boxes with a class and a score in each picture."""
