#!/usr/bin/env python3
"""One process of a training step by Python PyTorch over Gloo: pipeline stages in 1F1B or ZBV, or DDP.

torch_step.py --way 1f1b|zbv|ddp --rank R --ranks N --rendezvous FILE --text FILE --init FILE
              --ledger FILE --times FILE --weights FILE [sizes...]

The same model, samples and optimizer as train_gpt: the model is tests/examples/python_reference.py's,
whose bits are train_gpt's. It is written as its users write it: torch.distributed.pipelining's
Schedule1F1B or ScheduleZBVZeroBubble with explicit shapes, or DistributedDataParallel with no_sync() but for the last
micro-batch; the fused AdamW; the global norm from LibTorch's foreach kernels. What could slow it
down is left out: outputs are not gathered, gradients are not scaled in a pass of their own.

Writes {"version": 1, "step_ms": [...]} and this process's weights. Needs torch, numpy and
safetensors: scripts/setup --python-torch. benchmarks/step/run.py starts it.
"""

import argparse
import contextlib
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "examples"))
import python_reference as reference  # noqa: E402 (sets MKL_CBWR before torch is imported)
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from torch.distributed.pipelining import (  # noqa: E402
    PipelineStage,
    Schedule1F1B,
    ScheduleZBVZeroBubble,
)
from torch.nn import functional  # noqa: E402


class Layers(torch.nn.Module):
    """A range of the model's layers: the embedding is layer 0, the head layer blocks + 1."""

    def __init__(self, first: int, last: int, tensors: reference.Tensors, names: list[list[str]],
                 heads: int):
        super().__init__()
        self.first, self.last, self.head, self.heads = first, last, len(names) - 1, heads
        self.names = [name for layer in names[first:last + 1] for name in layer]
        for name in self.names:
            self.register_parameter(name.replace(".", "_"),
                                    torch.nn.Parameter(tensors[name].detach().clone()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = {name: getattr(self, name.replace(".", "_")) for name in self.names}
        for layer in range(self.first, self.last + 1):
            if layer == 0:
                position = torch.arange(x.shape[1])
                x = (functional.embedding(x, p["embedding.token.weight"])
                     + functional.embedding(position, p["embedding.position.weight"]))
            elif layer < self.head:
                x = reference.block(x, p, f"block{layer - 1}", self.heads)
            else:
                x = functional.layer_norm(x, (x.shape[-1],), p["head.norm.weight"],
                                          p["head.norm.bias"], eps=1e-5)
                x = functional.linear(x, p["head.output.weight"])
        return x

    def named_weights(self) -> reference.Tensors:
        return {name: getattr(self, name.replace(".", "_")).detach() for name in self.names}


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--way", required=True, choices=("1f1b", "zbv", "ddp"))
    for name in ("rank", "ranks", "blocks", "d-model", "heads", "context", "micro-batches",
                 "micro-batch-size", "steps", "last-layer-of-first-stage"):
        parser.add_argument(f"--{name}", required=True, type=int)
    for name in ("rendezvous", "text", "init", "ledger", "times", "weights"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--weight-decay", type=float, required=True)
    parser.add_argument("--clip-norm", type=float, required=True)
    return parser.parse_args()


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits.view(-1, 256), targets.reshape(-1))


def batch_of(text: torch.Tensor, micro_batches: list[list[int]],
             context: int) -> tuple[torch.Tensor, torch.Tensor]:
    return reference.micro_batch(text, [i for samples in micro_batches for i in samples], context)


class Stage(PipelineStage):
    """Without the first exchange with its neighbours, which NCCL needs: under ZBV a rank would send
    to itself, which Gloo refuses."""

    def _get_init_p2p_neighbors_ops(self) -> list[dist.P2POp]:
        return []


class Pipeline:
    """Two ranks under Schedule1F1B with a stage each, or under ScheduleZBVZeroBubble with two: the
    first has the outer ones. The loss is on the last stage."""

    def __init__(self, options: argparse.Namespace, tensors: reference.Tensors,
                 names: list[list[str]]):
        self.options = options
        ends = self.stage_ends(options, len(names) - 1)
        last = len(ends) - 1
        mine = [options.rank] if last == 1 else [options.rank, last - options.rank]
        self.has_first, self.has_last = 0 in mine, last in mine
        self.modules = {
            stage: Layers(ends[stage - 1] + 1 if stage else 0, ends[stage], tensors, names,
                          options.heads) for stage in mine}
        self.module = torch.nn.ModuleList(self.modules.values())
        m, context = options.micro_batch_size, options.context
        hidden = torch.empty(m, context, options.d_model)
        symbols = torch.empty(m, context, dtype=torch.int64)
        stages = [Stage(
            module, stage, len(ends), torch.device("cpu"),
            input_args=(hidden if stage else symbols,),
            output_args=(torch.empty(m, context, 256) if stage == last else hidden,))
            for stage, module in self.modules.items()]
        keywords = {"scale_grads": False, "loss_fn":
                    lambda y, target: cross_entropy(y, target) / options.micro_batches}
        self.schedule = (Schedule1F1B(stages[0], options.micro_batches, **keywords) if last == 1
                         else ScheduleZBVZeroBubble(stages, options.micro_batches, **keywords))

    @staticmethod
    def stage_ends(options: argparse.Namespace, last_layer: int) -> list[int]:
        """The last layer of each stage: both halves cut in the middle for ZBV."""
        cut = options.last_layer_of_first_stage
        if options.way == "1f1b":
            return [cut, last_layer]
        return [cut // 2, cut, cut + cut // 2, last_layer]

    def compute(self, text: torch.Tensor, samples: list[list[int]]) -> None:
        inputs, targets = batch_of(text, samples, self.options.context)
        given = [inputs] if self.has_first else []
        losses: list[torch.Tensor] = []
        if self.has_last:
            self.schedule.step(*given, target=targets, losses=losses, return_outputs=False)
            torch.stack(losses).sum().item()
        else:
            self.schedule.step(*given, return_outputs=False)

    def norm(self) -> torch.Tensor:
        """Of all stages: every rank holds other parameters."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.module.parameters()])
        squared = norm.square()
        dist.all_reduce(squared)
        return squared.sqrt()

    def named_weights(self) -> reference.Tensors:
        return {name: weight for module in self.modules.values()
                for name, weight in module.named_weights().items()}


class DataParallel:
    """The whole model on every rank, each with its share of the micro-batches."""

    def __init__(self, options: argparse.Namespace, tensors: reference.Tensors,
                 names: list[list[str]]):
        self.options = options
        self.module = Layers(0, len(names) - 1, tensors, names, options.heads)
        self.wrapped = torch.nn.parallel.DistributedDataParallel(self.module)

    def compute(self, text: torch.Tensor, samples: list[list[int]]) -> None:
        share = len(samples) // self.options.ranks
        mine = samples[self.options.rank * share:(self.options.rank + 1) * share]
        total = 0.0
        for number, ids in enumerate(mine, 1):
            inputs, targets = batch_of(text, [ids], self.options.context)
            with contextlib.nullcontext() if number == share else self.wrapped.no_sync():
                loss = cross_entropy(self.wrapped(inputs), targets)
                (loss / share).backward()
            total += loss.item()

    def norm(self) -> torch.Tensor:
        return torch.nn.utils.get_total_norm([p.grad for p in self.module.parameters()])

    def named_weights(self) -> reference.Tensors:
        return self.module.named_weights()


def train(options: argparse.Namespace, way: Pipeline | DataParallel,
          text: torch.Tensor) -> list[float]:
    parameters = list(way.module.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate,
                                  weight_decay=options.weight_decay, fused=True)
    step_ms = []
    before = time.perf_counter()
    for samples in reference.read_steps(options):
        way.compute(text, samples)
        if options.clip_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, options.clip_norm, way.norm())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        now = time.perf_counter()
        step_ms.append((now - before) * 1e3)
        before = now
    return step_ms


def main() -> None:
    options = read_arguments()
    torch.set_num_threads(1)
    names = reference.names_in_order(options.blocks)
    tensors = reference.read_parameters(options, names)
    text = torch.frombuffer(bytearray(options.text.read_bytes()), dtype=torch.uint8)
    dist.init_process_group("gloo", init_method=f"file://{options.rendezvous}", rank=options.rank,
                            world_size=options.ranks)
    way = {"1f1b": Pipeline, "zbv": Pipeline, "ddp": DataParallel}[options.way](options, tensors, names)
    step_ms = train(options, way, text)
    options.times.write_text(json.dumps({"version": 1, "step_ms": step_ms}) + "\n")
    safetensors.torch.save_file(way.named_weights(), options.weights)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
