"""What a built network costs, seen by hooks while an image passes."""

import torch
from torch import nn

from nas.cost import Cost


def counted(network, input_shape):
    """Cost of the stem, each stage and the head, observed while one image passes."""
    parts = {"stem": network.stem}
    parts |= {f"stages.{number}": stage for number, stage in enumerate(network.stages)}
    parts |= {"head": network.head}
    macs = dict.fromkeys(parts, 0)
    activations = dict.fromkeys(parts, 0)

    def observe(part):
        def hook(module, _inputs, output):
            activations[part] += output.numel()
            if isinstance(module, nn.MaxPool2d):
                return
            products = module.weight[0].numel()  # behind one output element
            macs[part] += output.numel() * (products + (module.bias is not None))

        return hook

    for part, modules in parts.items():
        for module in modules.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.MaxPool2d):
                module.register_forward_hook(observe(part))
    with torch.no_grad():
        network.eval()(torch.zeros(1, *input_shape))
    return tuple(
        Cost(sum(p.numel() for p in modules.parameters()), macs[part], activations[part])
        for part, modules in parts.items()
    )
