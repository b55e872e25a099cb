#!/usr/bin/env python3
"""Trains the byte-level GPT of train_gpt by plain gradient accumulation in Python PyTorch.

python_reference.py --text FILE --init FILE --ledger FILE --losses FILE --weights FILE [sizes...]

It shares no code with planaria: the model is written out from docs/formats.md, the optimizer is
torch.optim.AdamW(fused=True), the loop is the one everybody writes. From the run that it is compared
with it takes the initial weights (--init, safetensors) and which samples each micro-batch had
(--ledger, ledger.jsonl). With one lane, an untied head and no dropout the final weights and the losses
must equal that run's bit for bit, on the same machine with the same torch.

Writes the losses as {"version": 1, "losses": [...], "norms": [...]} and the weights as safetensors
under the same names. Needs torch, numpy and safetensors: scripts/setup --python-torch.
"""

import argparse
import json
import os
import pathlib

# Before torch is imported: the products must not depend on where a buffer lies or how large the
# caches are. planaria's programs set the same.
os.environ["MKL_CBWR"] = "AUTO,STRICT"

import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

Tensors = dict[str, torch.Tensor]


def block(x: torch.Tensor, p: Tensors, name: str, heads: int) -> torch.Tensor:
    batch, context, width = x.shape

    def weight_and_bias(part: str) -> tuple[torch.Tensor, torch.Tensor]:
        return p[f"{name}.{part}.weight"], p[f"{name}.{part}.bias"]

    def norm(part: str, value: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(value, (width,), *weight_and_bias(part), eps=1e-5)

    def split(part: torch.Tensor) -> torch.Tensor:
        return part.view(batch, context, heads, width // heads).transpose(1, 2)

    h = functional.linear(norm("norm1", x), *weight_and_bias("attention"))
    q, k, v = (split(part) for part in h.chunk(3, -1))
    a = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    a = a.transpose(1, 2).contiguous().view(batch, context, width)
    x = x + functional.linear(a, *weight_and_bias("projection"))
    h = functional.gelu(functional.linear(norm("norm2", x), *weight_and_bias("expand")))
    return x + functional.linear(h, *weight_and_bias("contract"))


def loss_of(inputs: torch.Tensor, targets: torch.Tensor, p: Tensors, blocks: int,
            heads: int) -> torch.Tensor:
    position = torch.arange(inputs.shape[1])
    x = (functional.embedding(inputs, p["embedding.token.weight"])
         + functional.embedding(position, p["embedding.position.weight"]))
    for index in range(blocks):
        x = block(x, p, f"block{index}", heads)
    x = functional.layer_norm(x, (x.shape[-1],), p["head.norm.weight"], p["head.norm.bias"], eps=1e-5)
    logits = functional.linear(x, p["head.output.weight"])
    return functional.cross_entropy(logits.view(-1, 256), targets.reshape(-1))


def names_in_order(blocks: int) -> list[list[str]]:
    """Names layer by layer, within a layer in the order the module registers them."""
    parts = ["norm1", "attention", "projection", "norm2", "expand", "contract"]
    layers = [["embedding.token.weight", "embedding.position.weight"]]
    for index in range(blocks):
        layers.append([f"block{index}.{part}.{kind}" for part in parts for kind in ("weight", "bias")])
    layers.append(["head.norm.weight", "head.norm.bias", "head.output.weight"])
    return layers


def squared_norm(gradient: torch.Tensor) -> float:
    """The sum of squares in double, one element after the other: cumsum along one dimension is
    sequential, sum() would add in another order."""
    if gradient.numel() == 0:
        return 0.0
    return torch.cumsum(gradient.detach().double().reshape(-1).square(), 0)[-1].item()


def gradient_norm(parameters: Tensors, layers: list[list[str]]) -> float:
    total = 0.0
    for layer in layers:
        squares = 0.0
        for name in layer:
            squares += squared_norm(parameters[name].grad)
        total += squares
    return total ** 0.5


def micro_batch(text: torch.Tensor, samples: list[int], context: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.stack([text[i * context:i * context + context + 1] for i in samples]).long()
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("text", "init", "ledger", "losses", "weights"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    for name in ("blocks", "d-model", "heads", "context", "micro-batches", "micro-batch-size", "steps"):
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--beta1", type=float, default=0.9)
    parser.add_argument("--beta2", type=float, default=0.999)
    parser.add_argument("--epsilon", type=float, default=1e-8)
    parser.add_argument("--clip-norm", type=float, default=1.0, help="0: no clipping")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def read_parameters(options: argparse.Namespace, layers: list[list[str]]) -> Tensors:
    initial = safetensors.torch.load_file(options.init)
    expected = [name for layer in layers for name in layer]
    if sorted(initial) != sorted(expected):
        different = sorted(set(initial) ^ set(expected))
        raise SystemExit(f"{options.init}: other tensors than the model has: {', '.join(different)}")
    if initial["embedding.position.weight"].shape != (options.context, options.d_model):
        raise SystemExit(f"{options.init}: embedding.position.weight: "
                         f"{list(initial['embedding.position.weight'].shape)}, must be "
                         f"[{options.context}, {options.d_model}]")
    # clone(): what was loaded lies where the file had it, and alignment changes bits.
    return {name: initial[name].clone().requires_grad_(True) for name in expected}


def read_steps(options: argparse.Namespace) -> list[list[list[int]]]:
    lines = [json.loads(line) for line in options.ledger.read_text().splitlines()]
    steps = [line["micro_batches"] for line in lines if line["step"] <= options.steps]
    if [line["step"] for line in lines[:options.steps]] != list(range(1, options.steps + 1)):
        raise SystemExit(f"{options.ledger}: must have one line for each of the steps 1 to "
                         f"{options.steps}, in order")
    for number, step in enumerate(steps, 1):
        if [len(samples) for samples in step] != [options.micro_batch_size] * options.micro_batches:
            raise SystemExit(f"{options.ledger}: step {number}: must have {options.micro_batches} "
                             f"micro-batches of {options.micro_batch_size} samples")
    return steps


def main() -> None:
    options = read_arguments()
    torch.set_num_threads(options.threads)
    layers = names_in_order(options.blocks)
    parameters = read_parameters(options, layers)
    text = torch.frombuffer(bytearray(options.text.read_bytes()), dtype=torch.uint8)
    optimizer = torch.optim.AdamW(list(parameters.values()), lr=options.learning_rate,
                                  betas=(options.beta1, options.beta2), eps=options.epsilon,
                                  weight_decay=options.weight_decay, fused=True)
    losses, norms = [], []
    for step in read_steps(options):
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for samples in step:
            inputs, targets = micro_batch(text, samples, options.context)
            loss = loss_of(inputs, targets, parameters, options.blocks, options.heads)
            (loss / options.micro_batches).backward()
            total += loss.item()
        norm = gradient_norm(parameters, layers)
        if options.clip_norm > 0:
            factor = min(1.0, options.clip_norm / (norm + 1e-6))
            for parameter in parameters.values():
                parameter.grad.mul_(factor)
        optimizer.step()
        losses.append(total / options.micro_batches)
        norms.append(norm)
    options.losses.write_text(json.dumps({"version": 1, "losses": losses, "norms": norms}) + "\n")
    safetensors.torch.save_file({name: tensor.detach() for name, tensor in parameters.items()},
                                options.weights)


if __name__ == "__main__":
    main()
