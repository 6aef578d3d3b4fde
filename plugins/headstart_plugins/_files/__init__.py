"""How the user's own files are found and read, whatever their records are answered with: paths, names of sides and
columns, folders, tables. For plugins of datasets; no plugin."""
