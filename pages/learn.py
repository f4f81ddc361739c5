"""Learn: the gap in eight steps, for a class that has never heard of it."""

from app.widgets.common import guard, page_header
from app.widgets.learn import story

page_header(
    "Learn",
    "What is the modality gap, and what can be done about it? Eight steps on the bundled sample; "
    "nothing to upload.",
)
with guard():
    story()
