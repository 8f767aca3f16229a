"""The built-in data sets: name -> "module:Class", or "module:Class[field=value,...]" for a named variant."""

SOURCES = {}
