"""Find, load and verify plugins, and look their offers up; `plugins` and `registry` are its doors."""
