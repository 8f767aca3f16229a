"""The built-in data sets: name -> "module:Class", or "module:Class[field=value,...]" for a named variant."""

SOURCES = {
    "att_orl": "bench.data.att_orl:AttOrl",
    "celeba": "bench.data.celeba:CelebA",
    "celebamask_hq": "bench.data.celebamask_hq:CelebAMaskHQ",
    "raf_db": "bench.data.emotions:RafDb",
    "ck_plus": "bench.data.emotions:CkPlus",
    "fer2013": "bench.data.fer2013:Fer2013",
    "utkface": "bench.data.utkface:UtkFace",
    "extended_yale_b": "bench.data.extended_yale_b:ExtendedYaleB",
    "tv_bbt": "bench.data.tv_tracks:BigBangTracks",
    "tv_buffy": "bench.data.tv_tracks:BuffyTracks",
    "stanford_cars": "bench.data.stanford_cars:StanfordCars",
    "compcars": "bench.data.compcars:CompCars",
    "unsup3d_synface": "bench.data.unsup3d:SynFace",
    "unsup3d_syncar": "bench.data.unsup3d:SynCar",
    "image_folder": "bench.data.image_folder:ImageFolder",
    "synfaces": "bench.data.synthetic.synfaces:SynFaces",
    "syncars": "bench.data.synthetic.syncars:SynCars",
}
