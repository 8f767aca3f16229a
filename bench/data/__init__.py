"""The built-in data sets: name -> "module:Class", or "module:Class[field=value,...]" for a named variant."""

SOURCES = {
    "att_orl": "bench.data.att_orl:AttOrl",
    "image_folder": "bench.data.image_folder:ImageFolder",
    "synfaces": "bench.data.synthetic.synfaces:SynFaces",
}
