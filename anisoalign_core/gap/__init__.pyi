from .diagnose import diagnose as diagnose
from .encoders import EncoderComparison as EncoderComparison
from .encoders import compare as compare
from .matrix import GapMatrix as GapMatrix
from .matrix import matrix as matrix
from .report import GapReport as GapReport
