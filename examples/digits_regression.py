"""A regression on scikit-learn's digits: which number is written there? Less error is better.

In this folder: nas search --space digits.yaml --objective digits_regression:train --epochs 3
"""

import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

import nas


def train(architecture, config, report):
    torch.manual_seed(config.seed)
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)  # (N, 1, 8, 8)
    numbers = torch.tensor(digits.target, dtype=torch.float32).unsqueeze(1)  # (N, 1)
    network = nas.build(architecture, in_channels=1, num_classes=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(config.epochs):
        network.train()
        for batch in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            F.mse_loss(network(images[batch]), numbers[batch]).backward()
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            error = network(images[1500:]) - numbers[1500:]  # of images that it has not seen
        report({"score": error.square().mean().sqrt(), "mean_error": error.abs().mean()})


train.direction = "minimize"
