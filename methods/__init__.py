"""The built-in methods: name -> "module:Class", or "module:Class[field=value,...]" for a named variant."""

METHODS = {}
