"""What scikit-learn asks of a transformer, beside fitting and transforming.

Its own base classes would do as well, and cost as much to import as a fit of 200,000 rows: they are
not needed to follow its conventions. scikit-learn is imported where it asks (tags, names of
columns), which is when it has been imported already.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from anisoalign_core.arrays import as_array
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ParameterError, ShapeError

Rows = EmbeddingSet | npt.ArrayLike
CONTAINERS = ("default", "pandas", "polars")


def in_numpy(rows: Rows, name: str) -> Rows:
    """Return rows of any library as an array, once; sets and tables with names stay what they are.

    Raises
    ------
    FormatError, ShapeError
        As :func:`anisoalign_core.arrays.as_array`.
    """
    if isinstance(rows, EmbeddingSet):
        return rows
    array = as_array(rows, name)
    names = getattr(rows, "columns", ())
    return rows if len(names) and array.shape[1:] == (len(names),) else array


def _parameters(kind: Any) -> dict[str, Any]:
    """Return the parameters of a class's constructor with their defaults, by name."""
    if kind.__init__ is object.__init__:
        return {}
    found = inspect.signature(kind.__init__).parameters.values()
    named = [one for one in found if one.kind is not one.VAR_KEYWORD and one.name != "self"]
    return {one.name: one.default for one in sorted(named, key=lambda one: one.name)}


class Parameters:
    """The constructor's parameters by name, as scikit-learn reads and sets them."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters of the constructor by name; nested ones too, if ``deep``."""
        found = {}
        for name in _parameters(self.__class__):
            value = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                found.update({f"{name}__{key}": one for key, one in value.get_params().items()})
            found[name] = value
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        ValueError
            If there is no such parameter; then none is set.
        """
        known = self.get_params(deep=True)
        for name in params:
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: "
                    f"{list(_parameters(self.__class__))!r}."
                )
        for name, value in params.items():
            own, nested, rest = name.partition("__")
            if nested:
                getattr(self, own).set_params(**{rest: value})
            else:
                setattr(self, name, value)
        return self

    def unfitted(self) -> Self:
        """Return one with the same parameters that is not fitted, as ``clone`` does."""
        return type(self)(**copy.deepcopy(self.get_params(deep=False)))

    def __repr__(self) -> str:
        """Return the class with the parameters that are not its defaults."""
        usual = _parameters(self.__class__)
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if repr(value) != repr(usual[name])
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


class Estimating(Parameters):
    """Parameters by name, output as tables, and the dimensions that a fit remembers."""

    name: ClassVar[str]
    label: ClassVar[str]
    n_features_in_: int

    def __init_subclass__(cls, **more: Any) -> None:
        """Let a subclass's ``transform`` give tables where :meth:`set_output` asks for them."""
        super().__init_subclass__(**more)
        if "transform" in vars(cls):
            cls.transform = _in_container(vars(cls)["transform"])  # type: ignore[attr-defined]

    def fit_transform(self, X: Rows, y: Rows | None = None, **fit_params: Any) -> Any:
        """Fit on source and target rows, and return the source rows corrected."""
        fitted: Any = self
        return fitted.fit(X, y, **fit_params).transform(X)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Let ``transform`` return a table: "pandas", "polars", or "default" for an array.

        Raises
        ------
        ParameterError
            If there is no such container.
        """
        if transform is None:
            return self
        if transform not in CONTAINERS:
            raise ParameterError(
                f'transform is "{transform}"; choose among {", ".join(CONTAINERS)}.'
            )
        self._sklearn_output_config = {"transform": transform}
        return self

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[Any]:
        """Return names of the d dimensions of corrected rows, for ``set_output``."""
        return np.asarray([f"{self.name}{i}" for i in range(self.n_features_in_)], dtype=object)

    def _know(self, rows: Rows, *, reset: bool = False) -> None:
        """Remember the dimensions and names of rows, or refuse rows that have others."""
        if isinstance(rows, EmbeddingSet):  # its columns have no names to compare
            self._know_dim(rows.dim, reset)
            return
        array = as_array(rows, "rows")
        if array.ndim != 2:
            return  # the gate of all rows says what is wrong
        if not hasattr(rows, "columns") and not hasattr(self, "feature_names_in_"):
            self._know_dim(array.shape[1], reset)
            return
        from sklearn.utils.validation import validate_data

        try:
            validate_data(self, rows, reset=reset, skip_check_array=True)
        except ValueError as error:
            raise ShapeError(
                f"{str(error).strip()} {self.label} was fitted on {self.n_features_in_} dimensions."
            ) from None

    def _know_dim(self, dim: int, reset: bool) -> None:
        if reset:
            self.n_features_in_ = dim
        elif dim != self.n_features_in_:
            raise ShapeError(
                f"X has {dim} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: {self.label} was fitted on "
                f"{self.n_features_in_} dimensions."
            )

    def __sklearn_tags__(self) -> Any:
        """Say that rows come out as float32, whatever goes in."""
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=["float32"]),
            regressor_tags=None,
            classifier_tags=None,
        )


def _in_container(transform: Any) -> Any:
    """Wrap a ``transform`` so that it gives what ``set_output``, or scikit-learn, asks for."""

    @functools.wraps(transform)
    def contained(self: Any, *given: Any, **named: Any) -> Any:
        rows = transform(self, *given, **named)
        own = vars(self).get("_sklearn_output_config", {}).get("transform")
        # another thread may import it now: without get_config nobody has asked for anything
        config = getattr(sys.modules.get("sklearn"), "get_config", None)
        wanted = own or (config()["transform_output"] if config else "default")
        if wanted == "default" or not isinstance(rows, np.ndarray):
            return rows
        names = self.get_feature_names_out()
        if wanted == "pandas":
            import pandas as pd

            index = getattr(given[0] if given else None, "index", None)
            return pd.DataFrame(rows, columns=names, index=index, copy=False)
        import polars as pl  # type: ignore[import-not-found]

        return pl.DataFrame(rows, schema=list(names))

    return contained
