#!/usr/bin/env python3
"""One process of what users have today: DDP over Gloo under torchrun, a checkpoint at every step.

torch_restart.py --folder FOLDER [sizes...], started by torchrun. A GPT of train_gpt's size, fused AdamW,
no_sync() but for the last micro-batch; rank 0 writes FOLDER/checkpoint.pt after every step, in place of
the last one, and all ranks begin from it. FOLDER/log.jsonl has {"event": "began"} for each start and
{"event": "step", "step", "ms", "checkpoint_ms"} for each step done, with "t_ms" on the monotonic clock;
FOLDER/rank-R.pid the process to kill. It trains until it is killed.
"""

import argparse
import contextlib
import json
import os
import pathlib
import time

import torch
import torch.distributed as dist
from torch.nn import functional


class Gpt(torch.nn.Module):
    def __init__(self, options: argparse.Namespace):
        super().__init__()
        width = options.d_model
        self.token = torch.nn.Embedding(256, width)
        self.position = torch.nn.Embedding(options.context, width)
        self.blocks = torch.nn.ModuleList(
            torch.nn.TransformerEncoderLayer(width, options.heads, 4 * width, dropout=0.0,
                                             activation="gelu", batch_first=True, norm_first=True)
            for _ in range(options.blocks))
        self.norm = torch.nn.LayerNorm(width)
        self.head = torch.nn.Linear(width, 256, bias=False)
        self.register_buffer("mask", torch.nn.Transformer.generate_square_subsequent_mask(
            options.context), persistent=False)

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        x = self.token(symbols) + self.position.weight
        for block in self.blocks:
            x = block(x, src_mask=self.mask, is_causal=True)
        return self.head(self.norm(x))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    for name in ("blocks", "d-model", "heads", "context", "micro-batches", "micro-batch-size"):
        parser.add_argument(f"--{name}", required=True, type=int)
    return parser.parse_args()


class Training:
    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        torch.manual_seed(1)
        self.module = Gpt(options)
        self.wrapped = torch.nn.parallel.DistributedDataParallel(self.module)
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=3e-4, fused=True)
        self.step = 0
        self.path = options.folder / "checkpoint.pt"
        if self.path.exists():
            state = torch.load(self.path)
            self.module.load_state_dict(state["module"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def train_step(self) -> None:
        self.step += 1
        share = self.options.micro_batches // self.ranks
        for number in range(share):
            draw = torch.Generator().manual_seed(
                (self.step * self.options.micro_batches + self.rank * share + number))
            symbols = torch.randint(256, (self.options.micro_batch_size, self.options.context + 1),
                                    generator=draw)
            last = number == share - 1
            with contextlib.nullcontext() if last else self.wrapped.no_sync():
                logits = self.wrapped(symbols[:, :-1])
                loss = functional.cross_entropy(logits.reshape(-1, 256), symbols[:, 1:].reshape(-1))
                (loss / share).backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def store(self) -> None:
        if self.rank != 0:
            return
        half_made = self.path.with_suffix(".half")
        torch.save({"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "step": self.step}, half_made)
        os.replace(half_made, self.path)


def main() -> None:
    options = read_arguments()
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    (options.folder / f"rank-{rank}.pid").write_text(str(os.getpid()))
    dist.init_process_group("gloo")
    training = Training(options)

    def log(**fields: object) -> None:
        if rank == 0:
            with (options.folder / "log.jsonl").open("a") as file:
                file.write(json.dumps({**fields, "t_ms": time.monotonic() * 1000}) + "\n")

    log(event="began")
    while True:
        began = time.monotonic()
        training.train_step()
        computed = time.monotonic()
        training.store()
        stored = time.monotonic()
        log(event="step", step=training.step, ms=(stored - began) * 1000,
            checkpoint_ms=(stored - computed) * 1000)


if __name__ == "__main__":
    main()
