"""What every learned generator is trained with: sparse tables, compiled steps, one loop."""

from candgen.training.compiled import CompiledStep
from candgen.training.loop import Epoch, Learner, Trained, train
from candgen.training.settings import TrainingSettings
from candgen.training.tables import Bags, EmbeddingTable
from candgen.training.watching import Watch

__all__ = [
    "Bags",
    "CompiledStep",
    "EmbeddingTable",
    "Epoch",
    "Learner",
    "Trained",
    "TrainingSettings",
    "Watch",
    "train",
]
