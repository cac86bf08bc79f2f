"""Numbers as people read them, the same everywhere."""


def count(value: float) -> str:
    """Three significant digits and a suffix: 11,178,378 is "11.2M".

    >>> [count(n) for n in (950, 11_178_378, 999_950, 1.8e18)]
    ['950', '11.2M', '1.00M', '1.8e18']
    """
    if value >= 1e12:
        return f"{value:.1e}".replace("e+", "e")
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        scaled = value / limit
        if scaled >= 0.9995:
            digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{scaled:.{digits}f}{suffix}"
    return f"{value:.0f}"


def percent(fraction: float) -> str:
    """A fraction of 1 in percent, with the two digits that 10,000 images resolve."""
    return f"{100 * fraction:5.2f} %"
