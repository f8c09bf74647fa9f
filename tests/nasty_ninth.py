"""A ninth list: formulas of water, sound, weather, epidemics, ecology and drugs, written before any of it was tried.

Sources: M. Th. van Genuchten, J. Philip, R. Green and G. Ampt, M. Budyko (water in soils and basins), R. Dean and
R. Dalrymple (waves), C. Paulson, J. Businger (air near the ground), H. Kuttruff, P. Morse and K. Ingard (rooms and
sound), R. Anderson and R. May, J. Wallinga and M. Lipsitch (epidemics), R. May, C. Holling, J. Thornley, E. Pielou,
R. Fisher (ecology), M. Gibaldi and D. Perrier (drugs).
"""

from __future__ import annotations

from tests.nasty_rows import Formula, Points

FAINT = (1e-24, 1e-13, 1e-8, 1e-5)
USUAL = (0.02, 0.3, 0.9, 2.2, 6.0)
MUCH = (40.0, 95.0, 600.0, 2e5, 1e10, 1e15)
PLUS = (*FAINT, *USUAL)
POSITIVE = (*PLUS, *MUCH)
BOTH = tuple(s * x for x in (*PLUS, *MUCH[:3]) for s in (1, -1))
SHARE = (1e-24, 1e-11, 1e-5, 0.15, 0.5, 0.8, 0.9999, 1 - 1e-12)
RATIO = (0.01, 0.6, 1 - 1e-6, 1 + 1e-10, 1.3, 8.0, 1e6)
LEVEL = (-90.0, -3.0, 1e-9, 0.5, 20.0, 120.0, 3e3)

ONE_NINTH: dict[str, tuple[Formula, Points]] = {
    # -- water
    "van Genuchten's conductivity": (lambda m, x: m.sqrt(x) * (1 - m.sqrt(1 - x**2)) ** 2, SHARE),
    "van Genuchten's capacity": (lambda m, x: 1 - 1 / m.sqrt(1 + x**2), (*POSITIVE, 1e200)),
    "Green–Ampt's time": (lambda m, x: x - 5 * m.log(1 + x / 5), POSITIVE),
    "Horton's depth": (lambda m, x: 2 * x + 3 * (1 - m.exp(-4 * x)) / 4, POSITIVE),
    "linear reservoir": (lambda m, x: 1 - (1 - m.exp(-x)) / x, POSITIVE),
    "Muskingum's weight": (lambda m, x: (1 - m.exp(-x)) / x - m.exp(-x), POSITIVE),
    "Budyko": (lambda m, x: m.sqrt(x * m.tanh(1 / x) * (1 - m.exp(-x))), (1e-9, 1e-3, *USUAL, *MUCH)),
    "Fu less the limit": (lambda m, x: 1 + x - m.power(1 + m.power(x, 26 * m.half / 5), 10 * m.half / 13), POSITIVE),
    "curve number": (lambda m, x: (x - m.half) ** 2 / (x + 2), (0.5, 0.5 + 1e-9, 1.0, 30.0, 1e9)),
    "Thornthwaite's slope": (lambda m, x: m.exp(17 * x / (x + 237)) * 17 / (x + 237) ** 2, LEVEL),
    "Theis's recovery": (lambda m, x: m.log(1 + 1 / x), POSITIVE),
    "gate's contraction": (lambda m, x: 1 / (1 + m.sqrt(x * (1 - x))), SHARE),
    "specific energy less the critical": (lambda m, x: x + 1 / (2 * x**2) - 3 * m.half, RATIO),
    "hydraulic jump": (lambda m, x: (m.sqrt(1 + 8 * x**2) - 1) / 2, (*POSITIVE, 1e200)),
    # -- waves, and air near the ground
    "dispersion of waves": (lambda m, x: m.sqrt(x * m.tanh(x)), POSITIVE),
    "group over phase less 1": (lambda m, x: (1 + 2 * x / m.sinh(2 * x)) / 2 - 1, POSITIVE),
    "radiation stress": (lambda m, x: 2 * x / m.sinh(2 * x) + m.half, POSITIVE),
    "orbit's excess": (lambda m, x: 1 / m.tanh(x) - m.tanh(x), POSITIVE),
    "cnoidal steepness": (lambda m, x: m.log(m.cosh(x) / m.sinh(x)), POSITIVE),
    "ψ of momentum": (
        lambda m, x: 2 * m.log((1 + x) / 2) + m.log((1 + x**2) / 2) - 2 * m.atan(x) + m.pi / 2,
        RATIO,
    ),
    "log wind": (lambda m, x: m.log(10 + x) - m.log(x), POSITIVE),
    "virtual temperature's factor": (lambda m, x: (1 + x * 8 / 5) / (1 + x) - 1, POSITIVE),
    "dew point's depression": (lambda m, x: 237 * m.log(x) / (17 - m.log(x)), (1e-9, 0.3, 1 - 1e-9, 1 - 1e-5)),
    # -- sound
    "Eyring over Sabine": (lambda m, x: -m.log(1 - x) / x - 1, SHARE),
    "line array": (lambda m, x: m.sin(8 * x) / (8 * m.sin(x)), (1e-12, 1e-5, 0.3, 1.5, 3.14)),
    "mass law": (lambda m, x: 10 * m.log(1 + x**2) / m.log(10), (*POSITIVE, 1e180)),
    "power through a wall": (lambda m, x: 1 - ((1 - x) / (1 + x)) ** 2, (*POSITIVE, 1e200)),
    "mel": (lambda m, x: 1127 * m.log(1 + x / 700), POSITIVE),
    "mel, inverse": (lambda m, x: 700 * (m.exp(x / 1127) - 1), (*PLUS, 95.0, 6e3)),
    "horn below cutoff": (lambda m, x: x - m.sqrt(x**2 - 1), (1 + 1e-9, 1.01, 3.0, 1e5, 1e12, 1e180)),
    "resonance": (lambda m, x: 1 / m.sqrt((1 - x**2) ** 2 + x**2 / 100), (*POSITIVE, 1 - 1e-9, 1e120)),
    "sone": (lambda m, x: m.power(2, (x - 40) / 10), LEVEL),
    "background's correction": (
        lambda m, x: -10 * m.log(1 - m.power(10, -x / 10)) / m.log(10),
        (1e-9, 0.5, 20.0, 200.0),
    ),
    "speed of sound less": (lambda m, x: m.sqrt(1 + x / 273) - 1 - x / 546, (*PLUS, 40.0, -200.0)),
    # -- epidemics
    "Haldane's prevalence by pools": (lambda m, x: 1 - m.power(1 - x, m.half / 5), SHARE),
    "growth to reproduction": (lambda m, x: x * (1 + x) / (1 - 1 / (1 + x)) - 1, POSITIVE),
    "incidence's curve": (lambda m, x: 1 / m.cosh(x / 2) ** 2 / 4, BOTH),
    "log of relative incidence": (lambda m, x: m.log(4 / (2 + m.exp(x) + m.exp(-x))), BOTH),
    # -- ecology
    "Holling's third less first": (lambda m, x: x**2 / (1 + x**2) - x / (1 + x), (*POSITIVE, 1e180)),
    "Ricker less replacement": (lambda m, x: x * m.exp(1 - x) - x, POSITIVE),
    "Hassell": (lambda m, x: 1 - m.power(1 + x / 3, -3), POSITIVE),
    "canopy's light": (lambda m, x: (1 - m.exp(-3 * x / 5)) / (3 * x / 5), POSITIVE),
    "photosynthesis, bent": (lambda m, x: (x + 1 - m.sqrt((x + 1) ** 2 - 18 * x / 5)) * 5 / 9, (*POSITIVE, 1e170)),
    "Steele": (lambda m, x: x * m.exp(1 - x), POSITIVE),
    "log-series' mean": (lambda m, x: -x / ((1 - x) * m.log(1 - x)), SHARE),
    "log-series' variance": (lambda m, x: -x * (x + m.log(1 - x)) / ((1 - x) ** 2 * m.log(1 - x) ** 2), SHARE),
    "cubed growth's slope": (lambda m, x: 3 * m.exp(-x) * (1 - m.exp(-x)) ** 2, POSITIVE),
    # -- drugs
    "Bateman near one rate": (lambda m, x: x * m.exp(-x) - m.exp(-x) + m.exp(-2 * x), POSITIVE),
    "accumulation": (lambda m, x: 1 / (1 - m.exp(-x)) - 1 / x, POSITIVE),
    "tight-binding inhibitor": (lambda m, x: (x + 2 - m.sqrt((x + 2) ** 2 - 4 * x)) / (2 * x), (*POSITIVE, 1e170)),
}
"""Formulas of one variable: as :data:`tests.nasty_rows.ONE`."""

NEAR = ((1.0, 1 + 1e-10), (2.0, 5.0), (1e-8, 3e-8), (1e6, 1e6 + 1), (0.1, 25.0))
TWO_NINTH: dict[str, tuple[Formula, Points]] = {
    "two levels": (
        lambda m, x, y: 10 * m.log(m.power(10, x / 10) + m.power(10, y / 10)) / m.log(10),
        ((60.0, 60.0), (3.0, 90.0), (-40.0, 1.0), (4e3, 3999.0), (-4e3, -3998.0)),
    ),
    "level less background": (
        lambda m, x, y: 10 * m.log(m.power(10, x / 10) - m.power(10, y / 10)) / m.log(10),
        ((60.0, 50.0), (60.0, 60.0 - 1e-9), (4e3, 3999.0), (90.0, 3.0)),
    ),
    "final size's residue": (
        lambda m, x, y: 1 - x - m.exp(-x * y),
        ((1e-9, 1 + 1e-9), (0.8, 2.0), (1e-4, 1.0001), (0.999, 8.0), (1e-12, 3.0)),
    ),
    "Reed–Frost": (
        lambda m, x, y: 1 - m.power(1 - x, y),
        ((1e-12, 3.0), (1e-9, 1e8), (0.3, 10.0), (0.5, 1e-10), (1 - 1e-12, 0.5)),
    ),
    "extinction of clumped offspring": (
        lambda m, x, y: m.power(1 + x / y, -y),
        ((2.0, 1e10), (1e-9, 0.1), (3.0, 0.16), (1e6, 1e-3), (0.5, 1e-8)),
    ),
    "odds ratio to risk ratio less 1": (
        lambda m, x, y: x / (1 - y + x * y) - 1,
        ((1 + 1e-9, 0.3), (2.0, 1e-10), (0.5, 1 - 1e-9), (1e8, 0.2), (1e-9, 0.9)),
    ),
    "predictive value": (
        lambda m, x, y: x * y / (x * y + (1 - x) * (1 - y)),
        ((1e-9, 0.99), (0.5, 0.5), (1 - 1e-9, 1 - 1e-9), (1e-12, 1 - 1e-12), (0.2, 0.9)),
    ),
    "kappa": (
        lambda m, x, y: (x - y) / (1 - y),
        ((0.9, 0.9 - 1e-9), (0.7, 0.2), (1 - 1e-9, 1 - 2e-9), (0.3, 0.6)),
    ),
    "Fisher's α": (
        lambda m, x, y: x * m.log(1 + y / x),
        ((1e-9, 3.0), (2.0, 1e-9), (1e8, 5.0), (40.0, 1e6), (1e-12, 1e12)),
    ),
    "Hill number of two": (
        lambda m, x, y: m.power(m.power(x, y) + m.power(1 - x, y), 1 / (1 - y)),
        ((0.3, 1 + 1e-7), (0.5, 2.0), (1e-6, 0.5), (0.2, 30.0), (0.9, 1 - 1e-5)),
    ),
    "Richards's growth": (
        lambda m, x, y: m.power(1 + y * m.exp(-x), -1 / y),
        ((0.0, 1e-10), (3.0, 2.0), (-30.0, 0.5), (50.0, 1e-3), (-800.0, 1.5), (800.0, 3.0)),
    ),
    "Kimura's two rates": (
        lambda m, x, y: -m.log(1 - 2 * x - y) / 2 - m.log(1 - 2 * y) / 4,
        ((1e-9, 2e-9), (0.1, 0.2), (1e-15, 1e-3), (0.3, 1e-12)),
    ),
    "vapour's deficit": (
        lambda m, x, y: m.exp(17 * x / (x + 237)) - m.exp(17 * y / (y + 237)),
        ((20.0, 20.0 - 1e-9), (30.0, 5.0), (1e-9, -1e-9), (-40.0, -40.1)),
    ),
    "under waves": (
        lambda m, x, y: m.cosh(x * y) / m.cosh(x),
        ((1e-9, 0.5), (3.0, 0.9), (800.0, 0.999), (2e3, 0.2), (20.0, 1 - 1e-9)),
    ),
    "wall of a wave": (
        lambda m, x, y: 1 / (1 + (x - 1 / x) ** 2 * m.sin(y) ** 2 / 4),
        ((1.0, 0.3), (1 + 1e-9, 1.0), (1e-9, 0.2), (1e9, 1e-9), (30.0, 1.57), (1e160, 1.0)),
    ),
    "beats": (lambda m, x, y: m.cos(x) - m.cos(y), ((1.0, 1 + 1e-10), (1e-8, 2e-8), (0.5, 3.0), (100.0, 100.001))),
    "slope of Michaelis–Menten's integral": (
        lambda m, x, y: (y - x) / (y - x + m.log(y / x)),
        (*NEAR, (1e-12, 3.0)),
    ),
    "overlap of niches": (
        lambda m, x, y: m.sqrt(2 * x * y / (x**2 + y**2)) * m.exp(-1 / (2 * (x**2 + y**2))),
        ((1.0, 2.0), (1e-9, 1e9), (0.03, 0.02), (1e170, 1e170), (1e5, 1e5)),
    ),
}
"""Formulas of two: as :data:`tests.nasty_rows.TWO`."""
