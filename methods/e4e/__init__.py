"""e4e (Tov et al. 2021, arXiv 2102.02766): an encoder from images to the W+ codes of a StyleGAN2 generator."""
