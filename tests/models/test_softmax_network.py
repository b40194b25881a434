from contract import VectorContract

from candgen.models import SoftmaxNetwork

SMALL = {"dim": 16, "epochs": 12, "batch_size": 256, "learning_rate": 0.01, "spread": 0.1}


class TestSoftmaxNetwork(VectorContract):
    def make(self, **settings):
        return SoftmaxNetwork(**{**SMALL, **settings})


class TestSoftmaxNetworkAsOnGowalla(VectorContract):
    """One item table, no layers, cosine with temperature, a sample of shared negatives."""

    def make(self, **settings):
        chosen = {"shared_item_table": True, "similarity": "cosine", "biases": False}
        drawn = {"temperature": 0.1, "negatives": "uniform", "n_negatives": 50}
        return SoftmaxNetwork(**{**SMALL, **chosen, **drawn, **settings})


class TestSoftmaxNetworkWithLayers(VectorContract):
    def make(self, **settings):
        return SoftmaxNetwork(**{**SMALL, "hidden": [32, 16], "epochs": 20, **settings})
