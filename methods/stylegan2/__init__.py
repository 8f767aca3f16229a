"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) with adaptive augmentation (arXiv 2006.06676)."""
