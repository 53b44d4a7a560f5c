"""Checks for public keys that are too weak, too costly or broken, though well-formed (RFC 8725, FIPS 186-5; pure)."""

import functools
from typing import Final

SMALLEST_RSA: Final = 2048
LARGEST_RSA: Final = 8192
_SMALLEST_EXPONENT: Final = 2**16 + 1
_LARGEST_EXPONENT: Final = 2**256
_INFINEON_GENERATOR: Final = 65_537
_LARGEST_FINGERPRINT_PRIME: Final = 167


def rsa_problem(modulus: int, exponent: int) -> str:
    """Return why an RSA key is rejected, as a stable code; empty where it is accepted."""
    size = modulus.bit_length()
    if size < SMALLEST_RSA or not modulus & 1:
        return "weak_key"
    if size > LARGEST_RSA or exponent >= _LARGEST_EXPONENT:
        return "oversized_key"
    if exponent < _SMALLEST_EXPONENT or not exponent & 1:
        return "weak_key"
    return "roca" if is_roca(modulus) else ""


def is_roca(modulus: int) -> bool:
    """Return True for a modulus that a smart card made of powers of 65537, so that it can be factored (CVE-2017-15361).

    Modulo every small prime such a modulus is itself a power of 65537; another one passes by chance once in 2^150.
    """
    return all(modulus % prime in powers for prime, powers in _fingerprint())


@functools.cache
def _fingerprint() -> tuple[tuple[int, frozenset[int]], ...]:
    primes = [n for n in range(3, _LARGEST_FINGERPRINT_PRIME + 1) if all(n % d for d in range(2, n))]
    return tuple((prime, frozenset(pow(_INFINEON_GENERATOR, n, prime) for n in range(prime))) for prime in primes)


def edwards_problem(encoded: bytes) -> str:
    """Return why an Ed25519 (32 bytes) or Ed448 (57 bytes) key is rejected, as a stable code; empty where it is not.

    Rejected are points that are not on the curve, and the few of small order, for which signatures can be forged.
    """
    curve = _ED25519 if len(encoded) == 32 else _ED448
    y = int.from_bytes(encoded, "little") & ~(1 << (len(encoded) * 8 - 1))
    if y >= curve.prime or not curve.has(y):
        return "invalid_point"
    for _ in range(curve.doublings):
        y = curve.doubled(y)
    return "weak_key" if y == 1 else ""


class _Edwards:
    """a·x² + y² = 1 + d·x²·y² over a prime field; the sign of x does not matter here."""

    def __init__(self, prime: int, a: int, d: int, doublings: int) -> None:
        self.prime = prime
        self.a = a
        self.d = d
        self.doublings = doublings

    def has(self, y: int) -> bool:
        square = self._x_squared(y)
        return square == 0 or pow(square, (self.prime - 1) // 2, self.prime) == 1

    def doubled(self, y: int) -> int:
        x_squared, y_squared = self._x_squared(y), y * y
        below = pow(1 - self.d * x_squared * y_squared, -1, self.prime)
        return (y_squared - self.a * x_squared) * below % self.prime

    def _x_squared(self, y: int) -> int:
        return (1 - y * y) * pow(self.a - self.d * y * y, -1, self.prime) % self.prime


_25519: Final = 2**255 - 19
_ED25519: Final = _Edwards(_25519, -1, -121_665 * pow(121_666, -1, _25519), 3)
_ED448: Final = _Edwards(2**448 - 2**224 - 1, 1, -39_081, 2)
