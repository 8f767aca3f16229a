"""The built-in tasks: name -> "module:Class", or "module:Class[field=value,...]" for a named variant."""

TASKS = {
    "face_attributes": "tasks.face_attributes:FaceAttributes",
    "face_attributes_clustering": "tasks.face_attributes:FaceAttributes[protocol=clustering]",
    "emotion": "tasks.emotion:Emotion",
    "emotion_clustering": "tasks.emotion:Emotion[protocol=clustering]",
    "identity": "tasks.identity:Identity",
    "identity_clustering": "tasks.identity:Identity[protocol=clustering]",
    "identity_verification": "tasks.identity:Identity[protocol=verification]",
    "face_segmentation": "tasks.face_segmentation:FaceSegmentation",
    "scene_parameters": "tasks.scene_parameters:SceneParameters",
    "ood_lighting": "tasks.ood_lighting:OodLighting",
    "ood_viewpoint": "tasks.ood_viewpoint:OodViewpoint",
    "car_classification": "tasks.car_classification:CarClassification",
    "car_clustering": "tasks.car_classification:CarClassification[protocol=clustering]",
    "car_scene_parameters": "tasks.scene_parameters:CarSceneParameters",
    "car_ood_lighting": "tasks.ood_lighting:CarOodLighting",
    "car_ood_viewpoint": "tasks.ood_viewpoint:CarOodViewpoint",
    "gender": "tasks.label:Label",
    "race": "tasks.label:Label[target=race]",
    "age_group": "tasks.label:Label[target=age_group]",
    "car_model": "tasks.label:CarLabel",
}
