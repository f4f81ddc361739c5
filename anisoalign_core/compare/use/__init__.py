"""Interchangeability: what corrected source rows teach about target rows."""

from anisoalign_core.compare.use.captions import (
    AttributeReader,
    CaptionScores,
    caption_transfer,
    cider,
    score_captions,
    token_f1,
)
from anisoalign_core.compare.use.decoder import CaptionDecoder, words
from anisoalign_core.compare.use.gallery import SHARES, mixed_gallery_ndcg
from anisoalign_core.compare.use.labels import (
    Classes,
    class_columns,
    classes_of,
    keyword_labels,
    label_transfer,
    parse_keywords,
)
from anisoalign_core.compare.use.use import Use
from anisoalign_core.compare.use.uses import USES, described
from anisoalign_core.compare.use.zero_shot import prompt_rows

__all__ = [
    "SHARES",
    "USES",
    "AttributeReader",
    "CaptionDecoder",
    "CaptionScores",
    "Classes",
    "Use",
    "caption_transfer",
    "cider",
    "class_columns",
    "classes_of",
    "described",
    "keyword_labels",
    "label_transfer",
    "mixed_gallery_ndcg",
    "parse_keywords",
    "prompt_rows",
    "score_captions",
    "token_f1",
    "words",
]
