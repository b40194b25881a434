"""Factorization by pairs: a user's vector and an item's meet in a product, in layers, or in both.

| generator | log-odds that user u takes item i |
|---|---|
| GMF | h . (p_u * q_i) + biases; a dot product in the end, and searched as one |
| MLP | layers over the concatenation of p_u and q_i |
| NeuMF | both, with vectors of their own |
| DeepFactorization | both, over the same vectors; layers over the product or the concatenation |

He et al., *Neural collaborative filtering*, WWW 2017 (GMF, MLP, NeuMF); Guo et al., *DeepFM*, IJCAI
2017, and He and Chua, *Neural factorization machines*, SIGIR 2017, of which DeepFactorization is
what remains where the only features are the two ids.
"""

from candgen.models.pairs.generators import GMF, MLP, DeepFactorization, NeuMF

__all__ = ["GMF", "MLP", "DeepFactorization", "NeuMF"]
