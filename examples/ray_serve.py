"""A model on Ray Serve, with several replicas: `pip install "ray[serve]"` beside this project's extra serve, then

    MODEL=model.xml serve run examples.ray_serve:speech

Every replica loads the model. Ray sends a request to any of them; a live stream stays on the one that took it. The
options of the command are keywords of `app`; a replica that is full refuses, so leave Ray's own limit above it.
"""

import os

from ray import serve

from deepspeech_recipe.serve import app

MODEL = os.path.abspath(os.environ.get("MODEL", "model.xml"))
REPLICAS = int(os.environ.get("REPLICAS", "2"))


@serve.deployment(num_replicas=REPLICAS, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 1})
@serve.ingress(lambda: app(MODEL))
class Speech:
    """Everything is the app's."""


speech = Speech.bind()
