"""Clustering of both modalities together: by what rows show, or by what they are."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.compare.use.at_work import AtWork
from anisoalign_core.compare.use.names import Score, Strings, by_other_names, crossed
from anisoalign_core.compare.use.use import Use
from anisoalign_core.numerics import Float32, Float64, Integers, generator
from anisoalign_core.threads import one_thread

CLUSTERS = 10
"""Clusters in which modalities are told apart, where there are as many rows for each."""
STARTS = 3


def joint_clusters(rows: Float32, clusters: int, *, random_state: int = 0) -> Integers:
    """Return the cluster of each row: k-means on unit rows, best of three starts.

    Parameters
    ----------
    rows : (n, d) float32
        Rows of both modalities.
    clusters : int
    random_state : int, default 0
    """
    from sklearn.cluster import KMeans

    with one_thread():
        means = KMeans(clusters, n_init=STARTS, random_state=random_state)
        return np.asarray(means.fit_predict(rows), dtype=np.intp)


def v_measure(clusters: Integers, labels: Strings) -> float:
    """Harmonic mean of homogeneity and completeness of clusters against classes.

    Rosenberg & Hirschberg, EMNLP-CoNLL 2007.
    """
    from sklearn.metrics import v_measure_score

    return float(v_measure_score(labels, clusters))


def adjusted_rand(clusters: Integers, labels: Strings) -> float:
    """Share of pairs of rows that clusters and classes agree on, adjusted for chance.

    Hubert & Arabie, Journal of Classification 2 (1985).
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(labels, clusters))


def told_modality(clusters: Integers, of_source: npt.NDArray[np.bool_]) -> float:
    """``1 − H(modality | cluster)/H(modality)``: what the cluster of a row tells of its modality.

    The homogeneity of clusters with modalities for classes: 1 where each cluster holds one
    modality only, 0 where each holds both as the whole does.
    """
    from sklearn.metrics import homogeneity_score

    return float(homogeneity_score(of_source, clusters))


class _Joint:
    """Rows of both sides that have a class, their classes and clusters."""

    def __init__(self, work: AtWork, column: str) -> None:
        classes = work.learnt.classes
        assert classes is not None  # noqa: S101  (measures that want labels ask for it)
        source, theirs = classes.of_source(column, work.source_rows)
        target, ours = work.asked(column)
        self.labels = np.concatenate([theirs, ours])
        rows = np.concatenate([work.after[source], work.target[target]])
        count = min(len(np.unique(self.labels)), len(rows))
        self.clusters = joint_clusters(rows, count)
        self.names = work.names(column)
        self.of_source = np.arange(len(rows)) < len(theirs)
        shuffled = generator(work.random_state).permutation(theirs)
        self.shuffled = np.concatenate([shuffled, ours])

    @property
    def by_name(self) -> tuple[int, Score]:
        """Number of classes, and V where those of the source are called by other names."""
        clusters = np.unique(self.clusters)
        theirs, ours = (
            crossed(self.labels[side], self.clusters[side], self.names, clusters)
            for side in (self.of_source, ~self.of_source)
        )
        return len(theirs), lambda other: v_of_counts(theirs[other] + ours)


def v_of_counts(counts: Float64) -> Float64:
    """:func:`v_measure` of tables of counts: ``2 I(class; cluster)/(H(class) + H(cluster))``.

    Parameters
    ----------
    counts : (..., classes, clusters) float64

    Returns
    -------
    (...) float64
        1 where there is one class in one cluster.
    """
    shares = counts / counts.sum(axis=(-2, -1), keepdims=True)

    def entropy(of: Float64) -> Float64:
        logs = np.log(of, out=np.zeros_like(of), where=of > 0)
        return np.asarray(-(of * logs).sum(axis=-1))

    apart = entropy(shares.sum(axis=-1)) + entropy(shares.sum(axis=-2))
    told = apart - entropy(shares.reshape(*shares.shape[:-2], -1))
    return np.divide(2 * told, apart, out=np.ones_like(apart), where=apart > 0)


def _joined(work: AtWork) -> dict[str, _Joint]:
    return {name: work.once(("joint", name), partial(_Joint, column=name)) for name in work.columns}


def _agreement(measure: Any, *, shuffled: bool) -> Any:
    def function(work: AtWork) -> dict[str, float]:
        """With the classes of the corrected rows shuffled among them, where it is the floor."""
        return {
            name: measure(joint.clusters, joint.shuffled if shuffled else joint.labels)
            for name, joint in _joined(work).items()
        }

    return function


def renamed(work: AtWork) -> Float64:
    """Mean V-measures where the source's classes are called by other names; see :mod:`~.names`."""
    return by_other_names([joint.by_name for joint in _joined(work).values()])


def _modality(work: AtWork) -> float:
    rows = np.concatenate([work.after, work.target])
    clusters = joint_clusters(rows, _clusters_of(work))
    return told_modality(clusters, np.arange(len(rows)) < len(work.after))


def _clusters_of(work: AtWork) -> int:
    return max(2, min(CLUSTERS, (len(work.after) + len(work.target)) // (2 * CLUSTERS)))


def _by_sampling(work: AtWork) -> float:
    """Return what k clusters tell of modalities drawn at random: to first order (k − 1)/(2 n H)."""
    sizes = np.array([len(work.after), len(work.target)])
    shares = sizes / sizes.sum()
    entropy = -float(shares @ np.log(shares))
    return (_clusters_of(work) - 1) / (2 * float(sizes.sum()) * entropy)


# Raw rows are no floor of these: source rows may know more of the classes than target rows do.
REFERENCE = "scikit-learn's measures; k-means on both modalities: this project"
FAMILY = (
    Use(
        name="cluster_v_measure",
        label="Clusters of both modalities follow the classes",
        symbol="V",
        description="V-measure of joint k-means clusters against the classes, as many clusters as "
        "classes, mean over the label columns.",
        needs="unpaired",
        wants="labels",
        group="cluster",
        reference=REFERENCE,
        ends=("permuted", "target"),
        function=_agreement(v_measure, shuffled=False),
        floor=_agreement(v_measure, shuffled=True),
        renamed=renamed,
    ),
    Use(
        name="cluster_adjusted_rand",
        label="Clusters of both modalities pair rows as the classes do",
        symbol="ARI",
        description="Adjusted Rand index of the same clusters, mean over the label columns.",
        needs="unpaired",
        wants="labels",
        group="cluster",
        reference=REFERENCE,
        ends=("permuted", "target"),
        range=(-1.0, 1.0),
        function=_agreement(adjusted_rand, shuffled=False),
        floor=_agreement(adjusted_rand, shuffled=True),
    ),
    Use(
        name="cluster_modality",
        label="What a row's cluster tells of its modality",
        symbol="modality told",
        description="1 − H(modality | cluster)/H(modality) of joint k-means clusters: 1 where each "
        "holds one modality only.",
        needs="unpaired",
        group="cluster",
        reference=REFERENCE,
        direction="lower",
        ends=("identity", "target"),
        meaningful=False,
        function=_modality,
        floor=_by_sampling,
    ),
)
