"""An authenticator in software that makes and uses one ES256 passkey, as a browser would hand it on."""

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """Answers what ``navigator.credentials`` is called with; every part of the answer can be bent."""

    def __init__(self, origin: str = "https://auth.example", *, verifies: bool = True) -> None:
        self.origin = origin
        self.verifies = verifies
        self.count = 0
        self.id = secrets.token_bytes(32)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: str) -> str:
        """The answer to registration options."""
        asked = json.loads(options)
        point = self._key.public_key().public_numbers()
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + key
        data = self._data(asked["rp"]["id"], _ATTESTED) + attested
        return self._answer(
            clientDataJSON=self._client_data("webauthn.create", asked["challenge"]),
            attestationObject=cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data}),
        )

    def get(self, options: str, *, challenge: str | None = None, party: str | None = None) -> str:
        """The answer to authentication options."""
        asked = json.loads(options)
        self.count += 1
        data = self._data(party or asked["rpId"], 0)
        client_data = self._client_data("webauthn.get", challenge or asked["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client_data, authenticatorData=data, signature=signature)

    def _data(self, party: str, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(party.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, **response: Any) -> str:
        encoded = {name: _encoded(value) for name, value in response.items()}
        own = _encoded(self.id)
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": encoded})


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
