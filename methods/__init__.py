"""The built-in methods: name -> "module:Class", or "module:Class[field=value,...]" for a named variant."""

METHODS = {
    "pdr": "methods.pdr.method:PDR",
    "pixels": "methods.pixels:Pixels",
    "pca": "methods.pca:PCA",
    "random_features": "methods.random_features:RandomFeatures",
    "beta_vae": "methods.beta_vae:BetaVAE",
    "dip_vae": "methods.dip_vae:DIPVAE",
    "vq_vae": "methods.vq_vae:VQVAE",
    "simclr": "methods.simclr:SimCLR",
    "supervised": "methods.supervised:Supervised",
    "timm": "methods.timm:Timm",
    "stylegan_inversion": "methods.stylegan_inversion:StyleGANInversion",
    "random_init": "methods.random_init:RandomInit",
    "retrieve_in_style": "methods.retrieve_in_style:RetrieveInStyle",
}
