"""Networks that contain each other: which do, and how one grows into a larger one.

A network contains another if weights make it compute every function that the other one computes.
``order`` proves it, of architectures as plain data; ``growth`` builds those weights, with torch.
"""
