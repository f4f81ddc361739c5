"""Interchangeability: what corrected source rows teach about target rows."""

from anisoalign_core.metrics.transfer.labels import class_columns, label_transfer

__all__ = ["class_columns", "label_transfer"]
