"""A trained network in the forms that other programs read, with a card that says what it is."""

from nas.shipping.ship import Shipped, ship
from nas.shipping.source import find_network

__all__ = ["Shipped", "find_network", "ship"]
