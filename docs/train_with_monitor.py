"""Train the sample's encoder from a checkout, and watch its gap form.

python docs/train_with_monitor.py [run.jsonl [STEPS [SCENES [EVERY]]]]
"""

import sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

import anisoalign_core as aa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sample_data"))
import make_samples

given = [*sys.argv[1:], *("run.jsonl", "200", "4000", "20")[len(sys.argv) - 1 :]]
out, (steps, scenes, every) = given[0], map(int, given[1:])
torch.manual_seed(0)
settings = make_samples.Settings(train_scenes=scenes, held_out_scenes=1)
drawn = make_samples.draw(settings)
model = make_samples.build_model(make_samples.model_config(settings, drawn.tokenizer.size), 0)
pictures = torch.from_numpy(drawn.train_images).permute(0, 3, 1, 2).float() / 63.75 - 2
words, partners = torch.from_numpy(drawn.train_tokens), torch.arange(settings.batch_size)
optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
warm_up = torch.optim.lr_scheduler.LinearLR(optimiser, 0.02, total_iters=settings.warmup_steps)
monitor = aa.gap.Monitor(every=every, sinks=[aa.gap.JsonLines(Path(out))])
for step in range(1, steps + 1):
    rows = torch.randperm(len(pictures))[: settings.batch_size]
    image, text, scale = model(pictures[rows], words[rows])
    logits = scale * image @ text.T
    loss = (cross_entropy(logits, partners) + cross_entropy(logits.T, partners)) / 2
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    warm_up.step()
    row = monitor.update(image, text, step=step, logit_scale=scale)
    if row is not None:
        print(f"step {step}: loss {loss.item():.3f}, gap {row.centroid_gap:.3f}", flush=True)
