"""An API that takes DPoP, and a client with a key."""

from tests.resource_server.rejections import reason

import roomkey
from roomkey.testing import DPoPKey, FakeClock, Issuer

ORIGIN = "https://orders.example"
URI = f"{ORIGIN}/orders"
SECRET = "a secret of the API that all its processes share"


class API:
    """A validator that takes DPoP, a client with a key, and requests from the one to the other."""

    def __init__(self, issuer: Issuer, clock: FakeClock, **settings: object) -> None:
        self.issuer, self.clock = issuer, clock
        self.key = DPoPKey(clock=clock)
        self.validator = self.made(**settings)
        self.token = issuer.token(cnf=self.key.confirmation)

    def made(self, **settings: object) -> roomkey.TokenValidator:
        origins = settings.pop("origins", ORIGIN)
        dpop = roomkey.DPoP(origins, **settings)  # type: ignore[arg-type]
        return roomkey.TokenValidator(
            issuer=self.issuer.url, audience=self.issuer.audience, clock=self.clock, dpop=dpop
        )

    def get(
        self, *proofs: str, scheme: str = "DPoP", token: str | None = None, method: str = "GET", path: str = "/orders"
    ) -> roomkey.Claims:
        presented = roomkey.DPoPRequest(proofs, method=method, path=path)
        return self.validator.authorize([f"{scheme} {token or self.token}"], proof=presented)

    def proof(self, **changes: object) -> str:
        return self.key.proof("GET", URI, self.token, **changes)  # type: ignore[arg-type]

    def rejection(self, *proofs: str, **request: str) -> str:
        return reason(lambda: self.get(*proofs, **request), roomkey.InvalidDPoPProof)
