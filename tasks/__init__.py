"""The built-in tasks: name -> "module:Class", or "module:Class[field=value,...]" for a named variant."""

TASKS = {}
